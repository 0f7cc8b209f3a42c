"""A checkpoint with the configuration that its model is built from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from boxseg.engine.checkpoint import read_checkpoint
from boxseg.errors import InputError
from experiments.configuration.compose import compose


@dataclass(frozen=True)
class SavedModel:
    """A checkpoint and the configuration that its model is built from.

    Attributes:
        checkpoint: the file.
        state: the model's, by name.
        config: resolved.
        imported: from a published checkpoint, not trained here.
    """

    checkpoint: Path
    state: dict[str, Any]
    config: DictConfig
    imported: bool


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
    config = _read_config(beside if inside is None else checkpoint, inside)
    return SavedModel(checkpoint, content["model"], config, inside is not None)


def _read_config(file: Path, text: str | None) -> DictConfig:
    try:
        loaded = OmegaConf.load(file) if text is None else OmegaConf.create(text)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{file} cannot be read ({reason}); restore it.") from None
    if not isinstance(loaded, DictConfig) or not set(compose([])) <= set(loaded):
        raise InputError(
            f"{file} is no configuration of a run; restore the one that `boxseg train` wrote."
        )
    return loaded
