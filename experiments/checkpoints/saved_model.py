"""A checkpoint with the configuration that its model is built from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from boxseg.data.trained_on import TrainedOn
from boxseg.engine.checkpoint import load_model_state, read_checkpoint
from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.run_configuration import RunConfiguration


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
    checkpoint = place / "checkpoint.pt" if place.is_dir() else place
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
