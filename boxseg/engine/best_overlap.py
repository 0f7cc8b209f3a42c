"""How well predicted masks cover the true ones, whatever their scores: average best overlap."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as run_length

from boxseg.engine.evaluation import ground_truth
from boxseg.files import read_json

DETECTIONS = 10
"""Of an image that count at least, as in COCO's average recall of 10 detections."""


def best_overlap_scores(annotations: Path, predictions: Path) -> dict[str, float | None]:
    """Average best overlap of all detections, and of equally many from every method.

    It is the mean over the true objects of the greatest IoU that a predicted mask has with them. A
    predicted mask counts for the objects of its category in its image, for as many as it overlaps
    and whatever its score; an object without any has an IoU of 0. Crowds are no objects. Pont-Tuset
    and Van Gool, "Boosting Object Proposals: From Pascal to COCO", ICCV 2015, call it the instance
    average best overlap.

    The more detections a method emits, the better the best of them, whatever it has learnt. So
    methods are compared by their best-scored detections of each image, over all categories: ten, or
    as many as the image has objects, if these are more. That depends on the data alone.

    Args:
        annotations: the split's JSON.
        predictions: COCO's result JSON.

    Returns:
        In per cent, `predicted/IoU` of all detections and `predicted/IoU-top` of the best-scored
        ones; None if an object has no true mask, or there is no object.

    Raises:
        InputError: a file is malformed.
    """
    truth, masked = ground_truth(annotations)
    objects = [one for one in truth.anns.values() if not one["iscrowd"]]
    if not masked or not objects:
        return {"predicted/IoU": None, "predicted/IoU-top": None}
    masks: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for one in objects:
        masks[one["image_id"], one["category_id"]].append(truth.annToRLE(one))
    every = read_json(predictions)
    counts = Counter(one["image_id"] for one in objects)
    top = _best_scored(every, {image: max(count, DETECTIONS) for image, count in counts.items()})
    return {
        "predicted/IoU": _mean_best(masks, every),
        "predicted/IoU-top": _mean_best(masks, top),
    }


def _best_scored(
    predictions: Sequence[Mapping[str, Any]], at_most: Mapping[int, int]
) -> list[Mapping[str, Any]]:
    """The best-scored predictions of each image, of equal scores the first ones."""
    of_image: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for one in sorted(predictions, key=lambda prediction: -prediction["score"]):
        of_image[one["image_id"]].append(one)
    return [one for image, found in of_image.items() for one in found[: at_most.get(image, 0)]]


def _mean_best(
    masks: Mapping[tuple[int, int], Sequence[Any]], predictions: Sequence[Mapping[str, Any]]
) -> float:
    """In per cent; `masks` are the true ones by image and category."""
    found: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for one in predictions:
        found[one["image_id"], one["category_id"]].append(one["segmentation"])
    best = [
        run_length.iou(found[key], true, [0] * len(true)).max(axis=0)
        if key in found
        else np.zeros(len(true))
        for key, true in masks.items()
    ]
    return 100 * float(np.concatenate(best).mean())
