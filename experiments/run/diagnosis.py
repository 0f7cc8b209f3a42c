"""What the true masks of data that have them say of a trained model: scores beside AP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from boxseg.data.dataset import Split
from boxseg.data.image_reader import ImageReader
from boxseg.engine.best_overlap import best_overlap_scores
from boxseg.engine.mask_fill import mask_fill
from boxseg.pseudo_evaluation import pseudo_mask_scores
from boxseg.teacher_student import TeacherStudent
from boxseg.trivial_masks import trivial_mask_scores
from experiments.configuration.run_configuration import RunConfiguration


@dataclass(frozen=True)
class Diagnosis:
    """What there was to measure with; empty where there was nothing.

    Attributes:
        metrics: in per cent: those of `boxseg.engine.best_overlap.best_overlap_scores` and of
            `boxseg.engine.mask_fill.mask_fill`; and, of a method with a teacher, those of
            `boxseg.pseudo_evaluation.PseudoMaskScores` and of
            `boxseg.trivial_masks.trivial_mask_scores`.
        calibration: of the teacher's quality; see there.
    """

    metrics: dict[str, float | None] = field(default_factory=dict)
    calibration: list[dict[str, float | int | None]] = field(default_factory=list)


def diagnose(
    model: nn.Module,
    config: RunConfiguration,
    records: Sequence[Mapping[str, Any]],
    split: Split,
    predictions_file: Path,
    reader: ImageReader,
    precision: torch.dtype,
) -> Diagnosis:
    """Scores of masks on data whose true masks are there to measure with.

    Args:
        model: trained; it is not to be trained further.
        config: of the run; `dataset.diagnose` says whether to measure.
        records: trained on.
        split: evaluated on.
        predictions_file: on that split.
        reader: of the images.
        precision: that convolutions run in.
    """
    if not config.dataset.diagnose:
        return Diagnosis()
    metrics = best_overlap_scores(split.annotations, predictions_file)
    metrics |= mask_fill(split.annotations, predictions_file, config.images.pixel_factor)
    if not isinstance(model, TeacherStudent) or not config.load_masks:
        return Diagnosis(metrics)
    scores = pseudo_mask_scores(
        model,
        records,
        reader,
        config.images.test_short_side,
        config.images.max_side,
        config.evaluation_batch_size,
        precision,
    )
    metrics |= scores.metrics | trivial_mask_scores(records, reader)
    return Diagnosis(metrics, scores.calibration)
