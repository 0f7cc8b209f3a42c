"""Detections in COCO's result format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from detectron2.structures import BoxMode

from boxseg.encoded_masks import EncodedMasks


def coco_results(
    image_id: int,
    boxes: np.ndarray,
    scores: np.ndarray,
    classes: np.ndarray,
    masks: EncodedMasks,
    category_ids: Sequence[int],
) -> list[dict[str, Any]]:
    """The K detections of one image as entries of COCO's result JSON.

    Args:
        image_id: the JSON's.
        boxes: (K, 4), XYXY in pixels; widths and heights are computed in their precision.
        scores: (K,).
        classes: int64 (K,), from 0.
        masks: K, at the image's size.
        category_ids: the JSON's id of every class.
    """
    corners = BoxMode.convert(boxes, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    return [
        {
            "image_id": image_id,
            "category_id": category_ids[label],
            "bbox": box,
            "score": score,
            "segmentation": segmentation,
        }
        for box, score, label, segmentation in zip(
            corners.tolist(),
            scores.tolist(),
            classes.tolist(),
            masks.segmentations(),
            strict=True,
        )
    ]
