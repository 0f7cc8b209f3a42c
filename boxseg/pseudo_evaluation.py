"""How good a trained teacher's pseudo masks are: measured, and never part of a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from boxseg.data.image_reader import ImageReader
from boxseg.encoded_masks import mask_chunks
from boxseg.mask_overlap import mask_iou
from boxseg.pseudo_statistics import PseudoStatistics
from boxseg.teacher_labels import labelled_images, labelled_once
from boxseg.teacher_student import TeacherStudent
from boxseg.trivial_masks import boxes_of_record, inscribed_ellipses, true_masks

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class PseudoMaskScores:
    """How good pseudo masks are, and whether their quality says so.

    Attributes:
        metrics: in per cent, None where nothing defines them: `pseudo/IoU`, the mean IoU with the
            true masks of the objects that have a pseudo mask; `pseudo/valid`, the share of objects
            that have one; the mean IoU of all objects in two readings, which are equal numbers
            whatever a labeller leaves out: `pseudo/IoU-all`, 0 without a pseudo mask, and
            `pseudo/IoU-filled`, where the ellipse in the box stands for one that is missing; and
            `pseudo/rank-correlation`, Spearman's correlation of quality and IoU over the objects
            that have one; and `pseudo/agreement`, the mean over the objects with several candidates
            of the IoU of pairs of their masks.
        calibration: ten equal bins of the quality, from 0 to 1 (the last one includes 1), each with
            `quality_from`, `quality_to`, the number of `objects` in it, and their `mean_quality`
            and `mean_iou` in 0 to 1, None in an empty bin.
    """

    metrics: dict[str, float | None]
    calibration: list[dict[str, float | int | None]]


def pseudo_mask_scores(
    model: TeacherStudent,
    records: Sequence[Mapping[str, Any]],
    reader: ImageReader,
    short_side: int,
    max_side: int,
    batch_size: int,
    precision: torch.dtype,
) -> PseudoMaskScores:
    """The teacher labels the training objects once more, on unperturbed images at the test size.

    Masks are compared at the size of the original image, cut to the boxes as in training. The
    labeller may take note of what it labels, so this is the last thing to do with a model.

    Args:
        model: put into evaluation mode.
        records: with masks; see `boxseg.data.records.load_records`.
        reader: of their images.
        short_side, max_side: of the images that the teacher sees, in pixels.
        batch_size: images at a time.
        precision: that convolutions run in.
    """
    taught = [record for record in records if record["annotations"]]
    ious, ellipses, qualities = [torch.zeros(0)], [torch.zeros(0)], [torch.zeros(0)]
    valid = [torch.zeros(0, dtype=torch.bool)]
    statistics = PseudoStatistics()
    for one in labelled_images(
        model,
        taught,
        reader,
        short_side,
        max_side,
        batch_size,
        precision,
        with_masks=True,
        labelling=partial(labelled_once, statistics=statistics),
    ):
        height, width = one.record["height"], one.record["width"]
        boxes = boxes_of_record(one.record)
        # Dense masks of all objects of a large image would be gigabytes.
        for run in mask_chunks(len(boxes), height * width):
            truth = true_masks(one.record, run)
            ious.append(mask_iou(one.masks(run), truth))
            ellipses.append(mask_iou(inscribed_ellipses(boxes[run], height, width), truth))
        qualities.append(one.sample.quality.float().cpu())
        valid.append(one.sample.valid.cpu())
    agreement = [torch.zeros(0), *(found.float().cpu() for found in statistics.agreement)]
    return _summary(*map(torch.cat, (ious, ellipses, qualities, valid, agreement)))


def _summary(
    ious: Tensor, ellipses: Tensor, qualities: Tensor, valid: Tensor, agreement: Tensor
) -> PseudoMaskScores:
    """Scores of N objects.

    Args:
        ious: float32 (N,), 0 for those without a pseudo mask.
        ellipses: float32 (N,), of the ellipses in their boxes.
        qualities: float32 (N,) in [0, 1].
        valid: bool (N,), the object has one.
        agreement: float32, of each object, NaN of those with fewer than two candidates; of none
            where the labeller does not tell.
    """

    def per_cent(values: Tensor) -> float | None:
        return 100 * float(values.double().mean()) if len(values) else None

    found, quality = ious[valid].double().numpy(), qualities[valid].double().numpy()
    spearman = rank_correlation(quality, found)
    metrics = {
        "pseudo/IoU": per_cent(ious[valid]),
        "pseudo/valid": per_cent(valid),
        "pseudo/IoU-all": per_cent(ious),
        "pseudo/IoU-filled": per_cent(torch.where(valid, ious, ellipses)),
        "pseudo/rank-correlation": None if spearman is None else 100 * spearman,
        "pseudo/agreement": per_cent(agreement[~agreement.isnan()]),
    }
    return PseudoMaskScores(metrics, calibration_of(quality, found))


def rank_correlation(quality: np.ndarray, ious: np.ndarray) -> float | None:
    """Spearman's; None of fewer than three objects, or where one side is constant."""
    if len(ious) < 3 or np.ptp(quality) == 0 or np.ptp(ious) == 0:
        return None
    return float(spearmanr(quality, ious).statistic)


def calibration_of(quality: np.ndarray, ious: np.ndarray) -> list[dict[str, float | int | None]]:
    """The bins of `PseudoMaskScores.calibration` for the qualities and IoUs (N,) of N objects."""
    place = np.minimum((quality * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins: list[dict[str, float | int | None]] = []
    for number in range(CALIBRATION_BINS):
        inside = place == number
        objects = int(inside.sum())
        bins.append(
            {
                "quality_from": number / CALIBRATION_BINS,
                "quality_to": (number + 1) / CALIBRATION_BINS,
                "objects": objects,
                "mean_quality": float(quality[inside].mean()) if objects else None,
                "mean_iou": float(ious[inside].mean()) if objects else None,
            }
        )
    return bins
