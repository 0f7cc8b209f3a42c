"""How much of its box a large object's predicted mask fills: are masks hollow, or are they boxes?

An outline of an object reaches all four sides of its box, so projections onto the sides of boxes
cannot tell it from the object; neither can AP tell it from a mask that is simply bad.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as run_length

from boxseg.engine.evaluation import LARGE, ground_truth
from boxseg.files import read_json

HOLLOW, FULL = 0.3, 0.9
"""Shares of the box; 3% of coco-photos' large objects fill less than the first, 6% more than the
second."""


def mask_fill(
    annotations: Path, predictions: Path, pixel_factor: float = 1.0
) -> dict[str, float | None]:
    """Whether large objects' masks are hollow, or as full as their boxes.

    An object's mask is that of the detection whose box has the greatest IoU with its own, of any
    category, if that is at least a half; objects without one, and crowds, are left out.

    Args:
        annotations: the split's JSON.
        predictions: COCO's result JSON.
        pixel_factor: a length in the evaluated images per length in COCO's; the area above which
            objects are large scales with its square.

    Returns:
        In per cent of the objects, None if there are none: `predicted/hollow`, whose mask covers
        less than `HOLLOW` of the detection's box, and `predicted/full`, more than `FULL` of it.

    Raises:
        InputError: a file is malformed.
    """
    truth, _ = ground_truth(annotations)
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in read_json(predictions):
        found[one["image_id"]].append(one)
    large = (LARGE * pixel_factor) ** 2
    objects: dict[int, list[list[float]]] = defaultdict(list)
    for one in truth.anns.values():
        if not one["iscrowd"] and one["area"] > large:
            objects[one["image_id"]].append(one["bbox"])
    shares = [
        filled(found[image][index])
        for image, boxes in objects.items()
        if found[image]
        for index in _detected(found[image], boxes)
    ]
    return {
        "predicted/hollow": _per_cent(np.array(shares) < HOLLOW),
        "predicted/full": _per_cent(np.array(shares) > FULL),
    }


def filled(detection: dict[str, Any]) -> float:
    """The share of a detection's box, as far as it is in the image, that its mask covers."""
    mask = run_length.decode(detection["segmentation"])
    x, y, width, height = detection["bbox"]
    left, top = max(round(x), 0), max(round(y), 0)
    inside = mask[top : max(round(y + height), top + 1), left : max(round(x + width), left + 1)]
    return float(inside.mean()) if inside.size else 0.0


def _detected(detections: list[dict[str, Any]], boxes: list[list[float]]) -> list[int]:
    """For each box that has a detection, which of an image's detections that is."""
    of_boxes = np.array(boxes, dtype=np.float64)
    of_detections = np.array([one["bbox"] for one in detections], dtype=np.float64)
    overlaps = run_length.iou(of_detections, of_boxes, [0] * len(boxes))
    return [int(place) for place in overlaps.argmax(axis=0)[overlaps.max(axis=0) >= 0.5]]


def _per_cent(are: np.ndarray) -> float | None:
    return 100 * float(are.mean()) if len(are) else None
