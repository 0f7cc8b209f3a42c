"""A trained teacher with its training images, as it labels them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from boxseg.copy_paste import TrainingSample
from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import TeacherStudentMapper
from boxseg.errors import InputError
from boxseg.pseudo_labels import TeacherPredictions
from boxseg.pseudo_statistics import PseudoStatistics
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.data import load_data
from experiments.run.saved_model import saved_model


@dataclass(frozen=True)
class TrainedTeacher:
    """A model with a teacher, and the images it was trained on.

    Attributes:
        model: in evaluation mode, on the CPU, with the memories that its checkpoint kept.
        config: of its run.
        records: of the training images with objects, in the order of their ids; with true masks
            where the run's data allow to look at them.
        names: of the classes.
        has_masks: whether the records have true masks.
        reader: of the images.
    """

    model: TeacherStudent
    config: RunConfiguration
    records: Sequence[dict[str, Any]]
    names: Sequence[str]
    has_masks: bool
    reader: ImageReader

    def inputs(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """The model's input for some of the records: unperturbed, at the test size.

        Raises:
            InputError: there is no such record, or its image cannot be read.
        """
        for place in places:
            if not 0 <= place < len(self.records):
                raise InputError(
                    f"there is no training image {place}; choose from 0 to {len(self.records) - 1}."
                )
        side = self.config.images.test_short_side
        mapper = TeacherStudentMapper(
            self.reader, [side], self.config.images.max_side, False, self.has_masks, side
        )
        rng = np.random.default_rng(0)  # it chooses among one size and no flip
        return [mapper(dict(self.records[place]), rng) for place in places]

    @torch.no_grad()
    def proposed(
        self, batch: Sequence[dict[str, Any]]
    ) -> tuple[TeacherPredictions, Sequence[View]]:
        """The teacher's predictions and the images' frames."""
        return self.model.teacher_frame(self.model.teacher, batch)

    @torch.no_grad()
    def samples(self, places: Sequence[int]) -> list[TrainingSample]:
        """The images with the pseudo masks that the teacher makes of them, nothing pasted."""
        batch = self.inputs(places)
        return self.model.labelled_samples(batch, self.proposed(batch), PseudoStatistics())

    def rgb(self, image: torch.Tensor) -> np.ndarray:
        """The model's image, uint8 (3, H, W), as RGB pixels (H, W, 3)."""
        pixels = image.cpu().numpy().transpose(1, 2, 0)
        order = slice(None, None, -1 if self.config.channel_order == "BGR" else 1)
        return np.ascontiguousarray(pixels[:, :, order])


def trained_teacher(run: Path) -> TrainedTeacher:
    """The teacher of a run's checkpoint.

    Args:
        run: its directory, or the checkpoint in it.

    Raises:
        InputError: there is no checkpoint, its method has no teacher, or its data are not there.
    """
    saved = saved_model(run)
    _, loaded = load_data(saved.config)
    config = saved.fitting(len(loaded.categories), loaded.report.file)
    model = saved.model()
    if not isinstance(model, TeacherStudent):
        raise InputError(
            f"the run {run} is of the method {config.method}, which has no teacher to look into; "
            "give one of boxteacher, sim or boxseg."
        )
    model.eval()
    return TrainedTeacher(
        model=model,
        config=config,
        records=[record for record in loaded.records if record["annotations"]],
        names=[category.name for category in loaded.categories],
        has_masks=bool(config.load_masks),
        reader=ImageReader(config.channel_order),
    )
