"""A checkpoint made ready to give masks for boxes that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxseg.data.entries import Category
from boxseg.data.image_reader import ImageReader
from boxseg.encoded_masks import EncodedMasks, mask_chunks
from boxseg.engine.precision import chosen_precision
from boxseg.errors import InputError
from boxseg.teacher_labels import labelled_images
from boxseg.teacher_student import TeacherStudent
from experiments.checkpoints.predictor import categories_of
from experiments.checkpoints.saved_model import saved_model
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.device import chosen_device


@dataclass(frozen=True)
class BoxMask:
    """What was found in a box.

    Attributes:
        segmentation: COCO's compressed run-length encoding; None where the teacher gives no mask.
        quality: that the labeller gives its mask, in [0, 1].
    """

    segmentation: dict[str, Any] | None
    quality: float


class BoxLabeller:
    """The teacher of a checkpoint and its pseudo labeller, as they label in training.

    Args:
        model: trained.
        config: of its run.
        categories: of its classes, in their order.
    """

    def __init__(
        self, model: TeacherStudent, config: RunConfiguration, categories: Sequence[Category]
    ) -> None:
        self.model = model
        self.config = config
        self.categories = categories
        self.reader = ImageReader(config.channel_order, max_bytes=0)
        self.precision = chosen_precision(config.solver.precision, model.device)

    def classes(self, names: Sequence[str], source: Path) -> list[int]:
        """The model's class of each category of some data, by name and never by place.

        Raises:
            InputError: the model does not know one of them.
        """
        known = {one.name: place for place, one in enumerate(self.categories)}
        foreign = [name for name in names if name not in known]
        if foreign:
            raise InputError(
                f"{source} has the categories {', '.join(foreign)}, which the model does not know; "
                f"rename them to what it was trained on ({', '.join(known)})."
            )
        return [known[name] for name in names]

    def __call__(self, record: Mapping[str, Any]) -> list[BoxMask]:
        """Masks for the boxes of an image, in their order.

        Args:
            record: with at least one annotation; see `boxseg.data.records.load_records`.

        Raises:
            InputError: the image cannot be read, or its size is not the record's.
        """
        images = self.config.images
        (labelled,) = labelled_images(
            self.model,
            [record],
            self.reader,
            images.test_short_side,
            images.max_side,
            1,
            self.precision,
        )
        quality = labelled.sample.quality.tolist()
        valid = labelled.sample.valid.tolist()
        pixels = record["height"] * record["width"]
        encoded = EncodedMasks.cat(
            [EncodedMasks.of(labelled.masks(run)) for run in mask_chunks(len(valid), pixels)]
        )
        return [
            BoxMask(mask if there else None, one if there else 0.0)
            for mask, one, there in zip(encoded.segmentations(), quality, valid, strict=True)
        ]


def load_box_labeller(place: Path, device_name: str, categories: Path | None) -> BoxLabeller:
    """The labeller of a checkpoint.

    Args:
        place: a run directory, or a checkpoint.
        device_name: "auto" takes a GPU if there is one.
        categories: COCO JSON with the model's categories; without it those of its data.

    Raises:
        InputError: the checkpoint cannot be read, has no teacher, its labeller needs true masks, or
            its categories are not known.
    """
    saved = saved_model(place)
    device = chosen_device(device_name)
    names = categories_of(saved, categories)
    config = saved.fitting(len(names), "its data" if categories is None else str(categories))
    model = saved.model().to(device)
    if not isinstance(model, TeacherStudent) or model.pseudo_labeller.needs_true_masks:
        raise InputError(
            f"checkpoint {saved.checkpoint} is of a method ({config.method}) that makes no masks "
            "for boxes; give one of a method with a teacher, such as method=boxseg."
        )
    return BoxLabeller(model, config, names)
