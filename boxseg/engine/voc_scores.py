"""Average precision as PASCAL VOC defines it since 2010, on pycocotools' matches."""

from __future__ import annotations

import numpy as np
from pycocotools.cocoeval import COCOeval

THRESHOLDS = {"AP50": 0.5, "AP75": 0.75}


def voc_scores(evaluation: COCOeval) -> dict[str, float | None]:
    """AP50 and AP75 in per cent: the mean over categories of the area under precision and recall.

    COCO samples that area at 101 recalls; VOC takes all of it. Which detection finds which object
    is COCO's: the best one left, where VOC takes the best one, left or not. That makes no
    difference for masks or boxes of one category that do not lie on one another. COCO's boxes also
    have no extra pixel on the right and at the bottom.

    Args:
        evaluation: evaluated, not necessarily accumulated.

    Returns:
        None for a score where no category has an object.
    """
    scores: dict[str, float | None] = {}
    for name, threshold in THRESHOLDS.items():
        index = int(np.argmin(np.abs(evaluation.params.iouThrs - threshold)))
        areas = [
            _area_under_curve(evaluation, category, index)
            for category in range(len(evaluation.params.catIds))
        ]
        defined = [area for area in areas if area is not None]
        scores[name] = 100 * float(np.mean(defined)) if defined else None
    return scores


def _area_under_curve(evaluation: COCOeval, category: int, threshold: int) -> float | None:
    """Of one category, in [0, 1]; None where it has no object."""
    images = len(evaluation.params.imgIds)
    first = category * len(evaluation.params.areaRng) * images  # the first range is all areas
    results = [one for one in evaluation.evalImgs[first : first + images] if one is not None]
    objects = sum(int((1 - np.asarray(one["gtIgnore"])).sum()) for one in results)
    if not objects:
        return None
    scores = np.concatenate([one["dtScores"] for one in results])
    counted = np.concatenate([~one["dtIgnore"][threshold].astype(bool) for one in results])
    matched = np.concatenate([one["dtMatches"][threshold] > 0 for one in results])
    order = np.argsort(-scores, kind="mergesort")
    order = order[counted[order]]
    true = np.cumsum(matched[order])
    precision = true / np.arange(1, len(order) + 1)
    # The best precision at this recall or any higher one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    recall = np.concatenate(([0.0], true / objects))
    return float((np.diff(recall) * envelope).sum())
