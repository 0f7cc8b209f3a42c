"""A checkpoint with the configuration that its model is built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectron2.data.datasets.builtin_meta import COCO_CATEGORIES
from torch import nn

from boxseg.data.coco_json import read_coco_json
from boxseg.data.entries import Category
from boxseg.data.trained_on import TrainedOn
from boxseg.engine.checkpoint import load_model_state, read_checkpoint
from boxseg.engine.run_directory import RunDirectory, checkpoint_file
from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.data import dataset_of

COCO_CLASSES = tuple(Category(one["id"], one["name"]) for one in COCO_CATEGORIES if one["isthing"])


@dataclass(frozen=True)
class SavedModel:
    """A checkpoint and the configuration that its model is built from.

    Attributes:
        checkpoint: the file.
        state: the model's, by name.
        config: of its run, or that it was imported with.
        imported: from a published checkpoint, not trained here.
        trained_on: what its classes mean, where it knows.
    """

    checkpoint: Path
    state: dict[str, Any]
    config: RunConfiguration
    imported: bool
    trained_on: TrainedOn | None

    @property
    def known_classes(self) -> TrainedOn | None:
        """What its classes mean; an imported checkpoint for COCO's 80 tells it by their number."""
        if self.trained_on is None and self.imported and self.may_be_of_coco:
            return TrainedOn(COCO_CLASSES, "")
        return self.trained_on

    @property
    def may_be_of_coco(self) -> bool:
        """Whether its data have COCO's name and number of categories."""
        of_coco = self.config.dataset.name == "coco"
        return of_coco and self.config.num_classes == len(COCO_CLASSES)

    @property
    def is_the_best(self) -> bool:
        """Whether it is the one that a run keeps beside its last; see `evaluation_period`."""
        return self.checkpoint == RunDirectory(self.checkpoint.parent).best_checkpoint

    def fitting(self, number: int, source: str) -> RunConfiguration:
        """The configuration, if its model has so many classes.

        Args:
            number: of categories.
            source: that lists them, to be named.

        Raises:
            InputError: the model has another number.
        """
        if self.config.num_classes != number:
            raise InputError(
                f"with the {number} categories that {source} lists, checkpoint {self.checkpoint} "
                f"is of another architecture, of {self.config.num_classes} classes; give those "
                "the model was trained with."
            )
        return self.config

    def model(self) -> nn.Module:
        """The model with its weights, on the CPU.

        Raises:
            InputError: it cannot be built, or the weights do not fit it.
        """
        model: nn.Module = build(self.config.model, self.config.packages)
        load_model_state(model, self.state, self.checkpoint)
        return model


def saved_model(place: Path) -> SavedModel:
    """The checkpoint of a run's directory, or a checkpoint's file.

    The configuration lies beside the checkpoint, where training wrote it, or in it, where
    `boxseg weights import` did.

    Raises:
        InputError: one of the two is missing, or is not what this suite wrote.
    """
    checkpoint = checkpoint_file(place)
    if not checkpoint.is_file():
        raise InputError(
            f"there is no checkpoint {checkpoint}; give a run directory or the checkpoint.pt in "
            "one."
        )
    content = read_checkpoint(checkpoint)
    inside = content.get("config_yaml")
    beside = checkpoint.parent / "config.yaml"
    if inside is None and not beside.is_file():
        raise InputError(
            f"there is no config {beside}; give a run directory or the checkpoint.pt in one."
        )
    config = RunConfiguration.read(beside if inside is None else checkpoint, inside)
    try:
        trained_on = TrainedOn.of(content.get("trained_on"))
    except (TypeError, ValueError, KeyError):
        raise InputError(
            f"checkpoint {checkpoint} does not say in a known way what its classes mean; use one "
            "that `boxseg train` wrote."
        ) from None
    return SavedModel(checkpoint, content["model"], config, inside is not None, trained_on)


def categories_of(saved: SavedModel, file: Path | None) -> Sequence[Category]:
    """The categories of a model's classes, in their order.

    Args:
        saved: the model; its checkpoint may tell them.
        file: COCO JSON that lists them, in any order where the checkpoint knows their names;
            without either those of the data it was trained on are looked for.

    Raises:
        InputError: they are not known, or the file has other names than the checkpoint.
    """
    if file is not None:
        listed = read_coco_json(file, annotated=False).categories
        own = saved.trained_on
        if own is None or len(listed) != len(own.categories):  # another number is told by itself
            return listed
        ids = own.ids_in(listed, str(file))
        return [Category(id_, one.name) for id_, one in zip(ids, own.categories, strict=True)]
    if saved.trained_on is not None:
        return saved.trained_on.categories
    config = saved.config
    try:
        dataset = dataset_of(config)
        trained = dataset.train in dataset.splits
        split = dataset.split(dataset.train if trained else dataset.evaluate)
        return read_coco_json(split.annotations, split.annotated).categories
    except InputError as error:
        if saved.may_be_of_coco:
            return COCO_CLASSES
        reason = str(error).rstrip(".")
        raise InputError(
            f"the names of the model's categories are not known without its data ({reason}); give "
            "a COCO JSON that lists them with --categories FILE."
        ) from None
