"""How good a trained teacher's pseudo masks are: measured, and never part of a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import TeacherStudentMapper, binary_mask
from boxseg.engine.precision import autocast
from boxseg.pseudo_statistics import PseudoStatistics, mask_iou
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View, maps_between


@torch.no_grad()
def pseudo_mask_scores(
    model: TeacherStudent,
    records: Sequence[Mapping[str, Any]],
    reader: ImageReader,
    short_side: int,
    max_side: int,
    batch_size: int,
    precision: torch.dtype,
) -> dict[str, float | None]:
    """The teacher labels the training objects once more, on unperturbed images at the test size.

    Masks are compared at the size of the original image, cut to the boxes as in training. The
    labeller may take note of what it labels, so this is the last thing to do with a model.

    Args:
        model: put into evaluation mode here.
        records: with masks; see `boxseg.data.records.load_records`.
        reader: of their images.
        short_side, max_side: of the images that the teacher sees, in pixels.
        batch_size: images at a time.
        precision: that convolutions run in.

    Returns:
        In per cent, None if there is no object: `pseudo/IoU`, the mean IoU with the true masks of
        the objects that have a pseudo mask; `pseudo/valid`, the share of objects that have one; and
        `pseudo/IoU-all`, the mean IoU of all objects, 0 without one.
    """
    model.eval()
    mapper = TeacherStudentMapper(reader, [short_side], max_side, False, True, short_side)
    rng = np.random.default_rng(0)  # it chooses among one size and no flip
    taught = [record for record in records if record["annotations"]]
    ious, valid = [torch.zeros(0)], [torch.zeros(0, dtype=torch.bool)]
    for start in range(0, len(taught), batch_size):
        part = taught[start : start + batch_size]
        batch = [mapper(dict(record), rng) for record in part]
        with autocast(precision, model.device):
            proposed = model.teacher_frame(model.teacher, batch)
            samples = model.labelled_samples(batch, proposed, PseudoStatistics())
        for record, x, sample in zip(part, batch, samples, strict=True):
            whole = View(record["height"], record["width"])
            masks = maps_between(sample.masks.float(), x["student_view"], whole) > 0.5
            ious.append(mask_iou(masks.cpu(), _true_masks(record)))
            valid.append(sample.valid.cpu())
    return _summary(torch.cat(ious), torch.cat(valid))


def _true_masks(record: Mapping[str, Any]) -> Tensor:
    """Bool (N, H, W), of the original image."""
    height, width = record["height"], record["width"]
    masks = [binary_mask(a["segmentation"], height, width) for a in record["annotations"]]
    return torch.from_numpy(np.stack(masks))


def _summary(ious: Tensor, valid: Tensor) -> dict[str, float | None]:
    """Scores of N objects in per cent.

    Args:
        ious: float32 (N,), 0 for those without a pseudo mask.
        valid: bool (N,), the object has one.
    """

    def per_cent(values: Tensor) -> float | None:
        return 100 * float(values.double().mean()) if len(values) else None

    return {
        "pseudo/IoU": per_cent(ious[valid]),
        "pseudo/valid": per_cent(valid),
        "pseudo/IoU-all": per_cent(ious),
    }
