"""The noise of an evaluation: average precision over resampled images of the evaluated split.

Another split of the same size would have given another AP to the same model. How different is
estimated by the bootstrap: images are drawn with replacement, and AP is computed again. Detections
are matched with objects within an image, so pycocotools' matches stay what they are; an image drawn
twice counts twice. What is computed of the weighted matches is what pycocotools' `accumulate` and
`summarize` give on a dataset in which each image stands as often as it was drawn (up to the order
of detections of one image and category with equal scores, which is arbitrary there too).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

REPLICATES = 100
"""Their standard deviation is known to 7% of itself."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Matches:
    """What became of the detections of one category within one range of areas.

    Attributes:
        images: (detections,) the image of each, as a number, best score first.
        correct: (thresholds, detections) whether it is matched with an object that counts.
        counts: (thresholds, detections) whether it counts at all.
        objects: (images,) that count.
    """

    images: NDArray[np.intp]
    correct: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    objects: _Floats


def bootstrap_sds(evaluation: COCOeval, replicates: int = REPLICATES) -> dict[str, float]:
    """Standard deviations of average precisions over resampled images.

    Seeded: the same evaluation gives the same numbers, and evaluations of the same images draw the
    same samples.

    Args:
        evaluation: after `evaluate()`, with the four ranges of areas that `METRICS` of
            `boxseg.engine.evaluation` are made of: all, small, medium, large.
        replicates: samples of images, at least 2.

    Returns:
        By "AP", "AP50", "AP75", "APs", "APm", "APl", in per cent; those that some sample leaves
        undefined, having no such object, are left out.
    """
    images = len(evaluation.params.imgIds)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(images, np.full(images, 1 / images), size=replicates).astype(float)
    sampled = average_precisions(evaluation, draws)
    return {
        name: 100 * float(np.std(values, ddof=1))
        for name, values in sampled.items()
        if not np.isnan(values).any()
    }


def average_precisions(evaluation: COCOeval, draws: _Floats) -> dict[str, _Floats]:
    """Average precisions where every image counts as often as it was drawn.

    Args:
        evaluation: see `bootstrap_sds`.
        draws: (replicates, images) how often each image, in the order of `params.imgIds`.

    Returns:
        By the metric's name, (replicates,) in [0, 1]; NaN where no object defines it.
    """
    thresholds = list(np.round(evaluation.params.iouThrs, 2))
    found = {}
    for area, names in enumerate((("AP", "AP50", "AP75"), ("APs",), ("APm",), ("APl",))):
        # (replicates, categories, thresholds), NaN where a sample has no object of the category.
        by_class = np.stack(
            [_of_category(one, draws, evaluation) for one in _matches(evaluation, area)], axis=1
        )
        for name in names:
            at = slice(None)
            if name in ("AP50", "AP75"):
                place = thresholds.index(int(name[2:]) / 100)
                at = slice(place, place + 1)
            defined = ~np.isnan(by_class[:, :, at])
            total = np.where(defined, by_class[:, :, at], 0.0).sum(axis=(1, 2))
            number = defined.sum(axis=(1, 2))
            found[name] = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return found


def _matches(evaluation: COCOeval, area: int) -> Iterator[_Matches]:
    """Give every category's matches, as pycocotools' `accumulate` would gather them."""
    params = evaluation.params
    images, areas = len(params.imgIds), len(params.areaRng)
    for category in range(len(params.catIds)):
        start = (category * areas + area) * images
        by_image = evaluation.evalImgs[start : start + images]
        seen = [(place, one) for place, one in enumerate(by_image) if one is not None]
        objects = np.zeros(images)
        for place, one in seen:
            objects[place] = np.count_nonzero(np.asarray(one["gtIgnore"]) == 0)
        none = np.zeros((len(params.iouThrs), 0), dtype=bool)
        scores = np.concatenate([np.zeros(0), *(one["dtScores"] for _, one in seen)])
        matched = np.concatenate([none, *(one["dtMatches"] != 0 for _, one in seen)], axis=1)
        ignored = np.concatenate([none, *(one["dtIgnore"] != 0 for _, one in seen)], axis=1)
        places = np.repeat([place for place, _ in seen], [len(one["dtScores"]) for _, one in seen])
        order = np.argsort(-scores, kind="mergesort")
        yield _Matches(
            images=places[order].astype(np.intp),
            correct=(matched & ~ignored)[:, order],
            counts=~ignored[:, order],
            objects=objects,
        )


def _of_category(matches: _Matches, draws: _Floats, evaluation: COCOeval) -> _Floats:
    """Average precision of one category at each threshold, (replicates, thresholds).

    The precision at a recall is the best at that recall or beyond, and is highest just after a
    correct detection: so only those are looked at.
    """
    objects = draws @ matches.objects
    levels = evaluation.params.recThrs
    result = np.zeros((len(draws), len(matches.correct)))
    weights = draws[:, matches.images]
    counted = np.zeros((0, 0))
    for threshold, (correct, counts) in enumerate(
        zip(matches.correct, matches.counts, strict=True)
    ):
        if threshold == 0 or (counts != matches.counts[threshold - 1]).any():
            counted = np.cumsum(weights * counts, axis=1)
        hits = np.flatnonzero(correct)
        if not len(hits):
            continue
        right = np.cumsum(weights[:, hits], axis=1)
        precision = right / np.maximum(counted[:, hits], 1.0)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = right / np.maximum(objects, 1.0)[:, None]
        for replicate in range(len(draws)):
            at = np.searchsorted(recall[replicate], levels, side="left")
            reached = at < len(hits)
            result[replicate, threshold] = best[replicate, at[reached]].sum() / len(levels)
    result[objects == 0] = np.nan
    return result
