"""A trained teacher's pseudo masks of known boxes, at the size of the original images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import TeacherStudentMapper
from boxseg.engine.precision import autocast
from boxseg.pseudo_statistics import PseudoStatistics
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View, maps_between


@dataclass(frozen=True)
class LabelledImage:
    """An image whose objects the teacher has labelled.

    Attributes:
        record: of the dataset; the sample's objects are in the order of its annotations.
        sample: with pseudo masks, qualities, and which of the objects have one.
        view: whose pixels the sample is in.
    """

    record: Mapping[str, Any]
    sample: TrainingSample
    view: View

    def masks(self, run: slice) -> Tensor:
        """Bool (n, H, W) on the CPU, of a run of the objects, at the original image's size."""
        whole = View(self.record["height"], self.record["width"])
        return (maps_between(self.sample.masks[run].float(), self.view, whole) > 0.5).cpu()


Labelling = Callable[[TeacherStudent, Sequence[Mapping[str, Any]]], list[TrainingSample]]
"""From a model in evaluation mode and its input to the images with pseudo masks."""


def labelled_once(
    model: TeacherStudent,
    batch: Sequence[Mapping[str, Any]],
    statistics: PseudoStatistics | None = None,
) -> list[TrainingSample]:
    """The images with the pseudo masks of a single look, as in training.

    Args:
        model: in evaluation mode.
        batch: its input.
        statistics: of the masks, which are taken in there.
    """
    proposed = model.teacher_frame(model.teacher, batch)
    return model.labelled_samples(batch, proposed, statistics or PseudoStatistics())


@torch.no_grad()
def labelled_images(
    model: TeacherStudent,
    records: Sequence[Mapping[str, Any]],
    reader: ImageReader,
    short_side: int,
    max_side: int,
    batch_size: int,
    precision: torch.dtype,
    with_masks: bool = False,
    labelling: Labelling = labelled_once,
) -> Iterator[LabelledImage]:
    """The teacher labels objects on unperturbed images.

    Args:
        model: put into evaluation mode here. Its labeller may take note of what it labels.
        records: each with an object at least; see `boxseg.data.records.load_records`.
        reader: of their images.
        short_side, max_side: of the images that the teacher sees, in pixels.
        batch_size: images at a time.
        precision: that convolutions run in.
        with_masks: the records have true masks, for a labeller that needs them.
        labelling: how; another is `boxseg.flip_averaging.labelled_both_ways`.
    """
    model.eval()
    mapper = TeacherStudentMapper(reader, [short_side], max_side, False, with_masks, short_side)
    rng = np.random.default_rng(0)  # it chooses among one size and no flip
    for start in range(0, len(records), batch_size):
        part = records[start : start + batch_size]
        batch = [mapper(dict(record), rng) for record in part]
        with autocast(precision, model.device):
            samples = labelling(model, batch)
        for record, x, sample in zip(part, batch, samples, strict=True):
            yield LabelledImage(record, sample, x["student_view"])
