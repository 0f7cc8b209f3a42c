"""How well predicted masks cover the true ones, whatever their scores: average best overlap."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as run_length

from boxseg.engine.evaluation import ground_truth
from boxseg.files import read_json


def average_best_overlap(annotations: Path, predictions: Path) -> float | None:
    """Mean over the true objects of the greatest IoU that a predicted mask has with them.

    A predicted mask counts for the objects of its category in its image, for as many as it overlaps
    and whatever its score; an object without any has an IoU of 0. Crowds are no objects. Pont-Tuset
    and Van Gool, "Boosting Object Proposals: From Pascal to COCO", ICCV 2015, call it the instance
    average best overlap.

    Args:
        annotations: the split's JSON.
        predictions: COCO's result JSON.

    Returns:
        In per cent; None if an object has no true mask, or there is no object.

    Raises:
        InputError: a file is malformed.
    """
    truth, masked = ground_truth(annotations)
    objects = [one for one in truth.anns.values() if not one["iscrowd"]]
    if not masked or not objects:
        return None
    found: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for one in read_json(predictions):
        found[one["image_id"], one["category_id"]].append(one["segmentation"])
    true: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for one in objects:
        true[one["image_id"], one["category_id"]].append(truth.annToRLE(one))
    best = [
        run_length.iou(found[key], masks, [0] * len(masks)).max(axis=0)
        if key in found
        else np.zeros(len(masks))
        for key, masks in true.items()
    ]
    return 100 * float(np.concatenate(best).mean())
