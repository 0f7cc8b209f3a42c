"""Evaluating a checkpoint with the configuration it was trained or imported with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn
from yaml import YAMLError

from boxseg.data.dataset import Split
from boxseg.data.image_reader import ImageReader
from boxseg.engine.checkpoint import load_model_state, read_checkpoint
from boxseg.engine.evaluation import KINDS, Scores, score
from boxseg.engine.precision import chosen_precision
from boxseg.errors import InputError
from experiments.components import build, chosen_device
from experiments.compose import compose, quoted, refuse_unknown
from experiments.evaluate_model import predict
from experiments.run_data import (
    complete_for_evaluation,
    dataset_of,
    load_categories,
    set_everywhere,
)


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


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation left behind.

    Attributes:
        split: evaluated on.
        predictions: file of COCO's result JSON.
        scores: None where the split's annotations are kept secret.
        config: that the model was built from.
    """

    split: Split
    predictions: Path
    scores: Scores | None
    config: DictConfig


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


def evaluate_checkpoint(
    place: Path,
    dataset_name: str | None,
    root: Path | None,
    splits: Sequence[str | None],
    out: Path | None,
    kinds: Sequence[str] = KINDS,
) -> list[Evaluated]:
    """Predictions of a checkpoint on some splits, saved, and their scores.

    The training split need not be there. Where it is, the categories of the run's own data have to
    be those that it lists.

    Args:
        place: a run's directory, the checkpoint in one, or an imported checkpoint.
        dataset_name, root: other data than the run's; they need the same categories.
        splits: names, None for the data's usual one.
        out: folder for the predictions; beside the checkpoint by default.
        kinds: of scores; see `boxseg.engine.evaluation.score`.
    """
    saved = saved_model(place)
    config = saved.config
    if dataset_name is not None or root is not None:
        config = _with_data_of(config, dataset_name or config.dataset.name, root)
    dataset = dataset_of(config)
    if saved.imported:  # whatever it was trained on is not here to be compared with
        dataset = replace(dataset, train=None)
    chosen = [dataset.split(name or dataset.evaluate) for name in splits]
    config = complete_for_evaluation(config, dataset, chosen[0].name)
    device = chosen_device(config.device)
    model: nn.Module = build(config.model).to(device)
    load_model_state(model, saved.state, saved.checkpoint)
    results = []
    for name, split in zip(splits, chosen, strict=True):
        default = name is None and dataset_name is None
        file = "predictions.json" if default else f"predictions-{dataset.name}-{split.name}.json"
        predictions = (out or saved.checkpoint.parent) / file
        ids = load_categories(dataset, split.name)
        reader = ImageReader(config.channel_order)
        precision = chosen_precision(config.solver.precision, device)
        predict(model, config, split, ids, predictions, reader, precision)
        scores = None
        if split.annotated:
            scores = score(split.annotations, predictions, config.images.pixel_factor, kinds)
        results.append(Evaluated(split, predictions, scores, config))
    return results


def _with_data_of(config: DictConfig, dataset: str, root: Path | None) -> DictConfig:
    """The configuration with other data; images of the same kind keep their sizes."""
    refuse_unknown("dataset", dataset)
    words = [f"dataset={dataset}", f"scale={config.scale.name}", f"method={config.method}"]
    if root is not None:
        words.append(f"root={quoted(root)}")
    other = compose(words)
    changed = config.copy()
    if other.dataset.kind != config.dataset.kind:
        changed.images = other.images
    changed.dataset, changed.root = other.dataset, other.root
    set_everywhere(changed, "num_classes", other.num_classes)
    changed.load_masks = False
    return changed
