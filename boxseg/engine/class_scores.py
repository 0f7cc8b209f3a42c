"""Average precision category by category, out of pycocotools' evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


@dataclass(frozen=True)
class ClassScores:
    """One category's scores.

    Attributes:
        name: of the category.
        objects: of the ground truth, crowds left out.
        metrics: "segm/AP", "segm/AP50", "segm/AP75", ...: per cent; None without objects.
    """

    name: str
    objects: int
    metrics: dict[str, float | None]


def class_scores(truth: COCO, evaluations: Mapping[str, COCOeval]) -> tuple[ClassScores, ...]:
    """Every category's scores, in order of their ids.

    Their means over the categories that have objects are the scores of the evaluation.

    Args:
        truth: the ground truth.
        evaluations: accumulated, by the kind of their metrics.
    """
    categories = sorted(truth.getCatIds())
    objects = {
        category: len(truth.getAnnIds(catIds=[category], iscrowd=False)) for category in categories
    }
    return tuple(
        ClassScores(
            name=truth.cats[category]["name"],
            objects=objects[category],
            metrics={
                f"{kind}/{name}": value
                for kind, evaluation in evaluations.items()
                for name, value in _precisions(evaluation, index).items()
            },
        )
        for index, category in enumerate(categories)
    )


def _precisions(evaluation: COCOeval, category: int) -> dict[str, float | None]:
    # Thresholds, recalls, categories, areas (all first), numbers of detections (most last).
    precision = evaluation.eval["precision"][:, :, category, 0, -1]
    thresholds = evaluation.params.iouThrs
    parts = {
        "AP": precision,
        "AP50": precision[np.isclose(thresholds, 0.5)],
        "AP75": precision[np.isclose(thresholds, 0.75)],
    }
    return {
        name: 100 * float(part.mean()) if (part > -1).all() else None
        for name, part in parts.items()
    }
