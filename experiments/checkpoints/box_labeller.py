"""What gives masks for boxes that are known: a checkpoint, made ready, or cut-outs of the boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from boxseg.cutouts.color_masks import color_masks
from boxseg.cutouts.color_model import ColorModel
from boxseg.cutouts.cutout_masks import CutoutMasks
from boxseg.data.entries import Category
from boxseg.data.image_reader import ImageReader
from boxseg.encoded_masks import EncodedMasks, mask_chunks
from boxseg.engine.precision import chosen_precision
from boxseg.errors import InputError
from boxseg.flip_averaging import labelled_both_ways
from boxseg.segmenter import Segmenter
from boxseg.teacher_labels import Labelling, labelled_images, labelled_once
from boxseg.teacher_student import TeacherStudent
from boxseg.trivial_masks import boxes_of_record
from experiments.configuration.build import build
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.device import chosen_device
from experiments.run.saved_model import categories_of, saved_model


@dataclass(frozen=True)
class BoxMask:
    """What was found in a box.

    Attributes:
        segmentation: COCO's compressed run-length encoding; None where the teacher gives no mask.
        quality: that the labeller gives its mask, in [0, 1].
    """

    segmentation: dict[str, Any] | None
    quality: float


class BoxLabeller(Protocol):
    """Gives masks for the boxes of an image."""

    def classes(self, names: Sequence[str], source: Path) -> list[int]:
        """The number by which each category of some data goes in the records.

        Args:
            names: of the categories.
            source: that lists them, to be named.

        Raises:
            InputError: one of them is not known.
        """
        ...

    def __call__(self, record: Mapping[str, Any]) -> list[BoxMask]:
        """Masks for the boxes of an image, in their order.

        Args:
            record: with at least one annotation; see `boxseg.data.records.load_records`.

        Raises:
            InputError: the image cannot be read, or its size is not the record's.
        """
        ...


class CutoutLabeller:
    """Masks from cut-outs of the boxes.

    Args:
        masks: gives those of an image (uint8 (H, W, 3), RGB), of its boxes (n, 4) and of the number
            of their classes, int64 (n,).
        names: of the classes, in their order; None if any class will do.
    """

    def __init__(
        self,
        masks: Callable[[np.ndarray, Tensor, Tensor], CutoutMasks],
        names: Sequence[str] | None = None,
    ) -> None:
        self.masks = masks
        self.names = names
        self.reader = ImageReader("RGB", max_bytes=0)

    def classes(self, names: Sequence[str], source: Path) -> list[int]:
        """See `BoxLabeller`."""
        known = names if self.names is None else self.names
        return numbers_by_name(names, known, source)

    def __call__(self, record: Mapping[str, Any]) -> list[BoxMask]:
        """Masks for the boxes of an image; see `BoxLabeller`."""
        image = self.reader(dict(record))
        classes = torch.tensor([one["category_id"] for one in record["annotations"]])
        found = self.masks(image, boxes_of_record(record), classes)
        given: list[BoxMask] = []
        for run in mask_chunks(len(found.boxes), record["height"] * record["width"]):
            masks = found.masks(run)
            some = masks.flatten(1).any(dim=1).tolist()
            encoded = EncodedMasks.of(masks).segmentations()
            given += [
                BoxMask(mask, one) if there else BoxMask(None, 0.0)
                for mask, one, there in zip(encoded, found.quality[run].tolist(), some, strict=True)
            ]
        return given


def color_labeller(device: torch.device, model: ColorModel | None = None) -> CutoutLabeller:
    """Masks by the colours in and around the boxes, without any training.

    Args:
        device: to compute on.
        model: what a cell of a mask believes in.
    """

    def masks(image: np.ndarray, boxes: Tensor, _: Tensor) -> CutoutMasks:
        return color_masks(image, boxes, device, model)

    return CutoutLabeller(masks)


def numbers_by_name(names: Sequence[str], known: Sequence[str], source: Path) -> list[int]:
    """The place of each category among those that are known: by name, and never by place.

    Raises:
        InputError: one is not known.
    """
    places = {name: place for place, name in enumerate(known)}
    foreign = [name for name in names if name not in places]
    if foreign:
        raise InputError(
            f"{source} has the categories {', '.join(foreign)}, which the model does not know; "
            f"rename them to what it was trained on ({', '.join(places)})."
        )
    return [places[name] for name in names]


class TeacherLabeller:
    """The teacher of a checkpoint and its pseudo labeller.

    Args:
        model: trained.
        config: of its run.
        categories: of its classes, in their order.
        labelling: how the teacher looks at an image.
    """

    def __init__(
        self,
        model: TeacherStudent,
        config: RunConfiguration,
        categories: Sequence[Category],
        labelling: Labelling = labelled_once,
    ) -> None:
        self.model = model
        self.config = config
        self.categories = categories
        self.labelling = labelling
        self.reader = ImageReader(config.channel_order, max_bytes=0)
        self.precision = chosen_precision(config.solver.precision, model.device)

    def classes(self, names: Sequence[str], source: Path) -> list[int]:
        """The model's class of each category, by name and never by place; see `BoxLabeller`."""
        return numbers_by_name(names, [one.name for one in self.categories], source)

    def __call__(self, record: Mapping[str, Any]) -> list[BoxMask]:
        """Masks for the boxes of an image; see `BoxLabeller`."""
        images = self.config.images
        (labelled,) = labelled_images(
            self.model,
            [record],
            self.reader,
            images.test_short_side,
            images.max_side,
            1,
            self.precision,
            labelling=self.labelling,
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


def _with_its_step(network: Segmenter, config: RunConfiguration) -> nn.Module:
    """The step of an exported network's training, with the network as its teacher.

    Raises:
        InputError: the step's labeller has learnt something too, which was not exported.
    """
    step: nn.Module = build(config.step, config.packages)
    if not isinstance(step, TeacherStudent):
        return network
    if any(name.startswith("pseudo_labeller.") for name in step.state_dict()):
        raise InputError(
            f"the pseudo labeller of method={config.method} learns too, and a network alone lacks "
            "what it learnt; give the directory of the run."
        )
    step.teacher = network
    return step


def load_teacher(
    place: Path, device_name: str, categories: Path | None, flips: bool = False
) -> TeacherLabeller:
    """The labeller of a checkpoint.

    Args:
        place: a run directory, or a checkpoint.
        device_name: "auto" takes a GPU if there is one.
        categories: COCO JSON with the model's categories; without it those of its data.
        flips: show the teacher each image's mirror image too.

    Raises:
        InputError: the checkpoint cannot be read, has no teacher, its labeller needs true masks, or
            its categories are not known.
    """
    saved = saved_model(place)
    device = chosen_device(device_name)
    names = categories_of(saved, categories)
    config = saved.fitting(len(names), "its data" if categories is None else str(categories))
    model = saved.model()
    if saved.imported and isinstance(model, Segmenter):
        model = _with_its_step(model, config)
    model = model.to(device)
    if not isinstance(model, TeacherStudent) or model.pseudo_labeller.needs_true_masks:
        raise InputError(
            f"checkpoint {saved.checkpoint} is of a method ({config.method}) that makes no masks "
            "for boxes; give one of a method with a teacher, such as method=boxseg."
        )
    return TeacherLabeller(model, config, names, labelled_both_ways if flips else labelled_once)
