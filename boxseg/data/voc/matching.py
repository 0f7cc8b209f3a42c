"""Which instance of a label image is which object of the XML."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as run_length
from scipy.optimize import linear_sum_assignment

from boxseg.data.voc.boxes import coco_box
from boxseg.data.voc.devkit import VocObject
from boxseg.data.voc.label_images import Instance

LEAST_OVERLAP = 0.1
SAME_NUMBER = 0.1


def match(objects: Sequence[VocObject], instances: Sequence[Instance]) -> dict[int, int]:
    """Pair objects with instances, each at most once; indices of both.

    VOC numbers instance k after the XML's object k, but files edited since do not keep to it. So a
    pair is judged by the overlap (IoU) of the object's box and the bounds of the instance's pixels,
    and the number counts as much as `SAME_NUMBER` of overlap: it decides where boxes hardly differ.
    Pairs of different classes are none, nor are those that overlap by less than `LEAST_OVERLAP`,
    unless they have the same number: a small object may be void but for a few pixels. The pairing
    has the greatest sum (Hungarian method).
    """
    if not objects or not instances:
        return {}
    overlap = run_length.iou(
        np.array([coco_box(thing.corners) for thing in objects], dtype=np.float64),
        np.array([instance.bounds for instance in instances], dtype=np.float64),
        [0] * len(instances),
    )
    number = np.arange(1, len(objects) + 1)[:, None]
    same_number = number == np.array([instance.label for instance in instances])
    category = np.array([thing.category for thing in objects])[:, None]
    theirs = np.array([instance.category or 0 for instance in instances])
    allowed = (category == theirs) | (theirs == 0)
    allowed &= (overlap >= LEAST_OVERLAP) | (same_number & (overlap > 0))
    merit = np.where(allowed, overlap + SAME_NUMBER * same_number, 0.0)
    rows, columns = linear_sum_assignment(merit, maximize=True)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if merit[r, c] > 0}
