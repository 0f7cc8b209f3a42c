"""Evaluating a checkpoint with the configuration it was trained with."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn
from yaml import YAMLError

from boxseg.data.dataset import Dataset
from boxseg.data.image_reader import ImageReader
from boxseg.engine.checkpoint import load_model_state, read_checkpoint
from boxseg.engine.evaluation import Scores
from boxseg.engine.precision import chosen_precision
from boxseg.errors import InputError
from experiments.components import build, chosen_device
from experiments.compose import compose, refuse_unknown
from experiments.evaluate_model import evaluate
from experiments.run_data import complete, load_data, set_everywhere


def checkpoint_and_config(place: Path) -> tuple[Path, DictConfig]:
    """The checkpoint of a run directory, or a checkpoint file, and the run's configuration.

    Raises:
        InputError: one of the two is missing, or the configuration is not one that training wrote.
    """
    checkpoint = place / "checkpoint.pt" if place.is_dir() else place
    for file, what in ((checkpoint, "checkpoint"), (checkpoint.parent / "config.yaml", "config")):
        if not file.is_file():
            raise InputError(
                f"there is no {what} {file}; give a run directory or the checkpoint.pt in one."
            )
    return checkpoint, _read_config(checkpoint.parent / "config.yaml")


def _read_config(file: Path) -> DictConfig:
    try:
        loaded = OmegaConf.load(file)
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
    split: str | None,
    out: Path | None,
) -> tuple[Scores, Path]:
    """Scores of a checkpoint, and the file its predictions are in.

    Args:
        place: a run directory or the checkpoint in one.
        dataset_name, root: other data than the run's; they need the same categories.
        split: other split than the data's usual one.
        out: folder for the predictions; beside the checkpoint by default.
    """
    checkpoint, config = checkpoint_and_config(place)
    content = read_checkpoint(checkpoint)
    if dataset_name is not None or root is not None:
        config = _with_data_of(config, dataset_name or config.dataset.name, root)
    dataset, training = load_data(config)
    config = complete(config, training)
    device = chosen_device(config.device)
    model: nn.Module = build(config.model).to(device)
    load_model_state(model, content["model"], checkpoint)
    chosen = split or dataset.evaluate
    dataset.split(chosen)
    folder = out or checkpoint.parent
    name = "predictions.json" if split is None and dataset_name is None else _name(dataset, chosen)
    scores = evaluate(
        model,
        config,
        chosen,
        dataset,
        folder / name,
        ImageReader(config.channel_order),
        chosen_precision(config.solver.precision, device),
    )
    return scores, folder / name


def _name(dataset: Dataset, split: str) -> str:
    return f"predictions-{dataset.name}-{split}.json"


def _with_data_of(config: DictConfig, dataset: str, root: Path | None) -> DictConfig:
    refuse_unknown("dataset", dataset)
    words = [f"dataset={dataset}", f"scale={config.scale.name}", f"method={config.method}"]
    if root is not None:
        words.append(f"root='{root}'")
    other = compose(words)
    changed = config.copy()
    changed.dataset, changed.images, changed.root = other.dataset, other.images, other.root
    set_everywhere(changed, "num_classes", other.num_classes)
    changed.load_masks = False
    return changed
