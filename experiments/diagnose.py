"""What the true masks of data that have them say of a trained model: scores beside AP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from boxseg.data.dataset import Split
from boxseg.data.image_reader import ImageReader
from boxseg.engine.best_overlap import average_best_overlap
from boxseg.pseudo_evaluation import pseudo_mask_scores
from boxseg.teacher_student import TeacherStudent


def diagnose(
    model: nn.Module,
    config: DictConfig,
    records: Sequence[Mapping[str, Any]],
    split: Split,
    predictions_file: Path,
    reader: ImageReader,
    precision: torch.dtype,
) -> dict[str, float | None]:
    """Scores of masks, in per cent, on data whose true masks are there to measure with.

    Args:
        model: trained; it is not to be trained further.
        config: of the run; `dataset.diagnose` says whether to measure.
        records: trained on.
        split: evaluated on.
        predictions_file: on that split.
        reader: of the images.
        precision: that convolutions run in.

    Returns:
        `predicted/IoU` (`boxseg.engine.best_overlap.average_best_overlap`) and, of a method with a
        teacher, what `boxseg.pseudo_evaluation.pseudo_mask_scores` gives; nothing where there is
        nothing to measure with.
    """
    if not config.dataset.diagnose:
        return {}
    scores = {"predicted/IoU": average_best_overlap(split.annotations, predictions_file)}
    if isinstance(model, TeacherStudent) and config.load_masks:
        scores |= pseudo_mask_scores(
            model,
            records,
            reader,
            config.images.test_short_side,
            config.images.max_side,
            config.evaluation_batch_size,
            precision,
        )
    return scores
