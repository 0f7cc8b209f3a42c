"""Evaluating a checkpoint with the configuration it was trained or imported with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from boxseg.data.coco_json import read_coco_json
from boxseg.data.dataset import Dataset, Split
from boxseg.data.image_reader import ImageReader
from boxseg.engine.evaluation import KINDS, Scores, score
from boxseg.engine.precision import chosen_precision
from boxseg.errors import InputError
from experiments.configuration.choices import refuse_unknown
from experiments.configuration.compose import compose, quoted
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.data import (
    dataset_of,
    load_categories,
)
from experiments.run.device import chosen_device
from experiments.run.evaluation import predict
from experiments.run.saved_model import SavedModel, saved_model

logger = logging.getLogger(__name__)


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
    config: RunConfiguration


def evaluate_checkpoint(
    place: Path,
    dataset_name: str | None,
    root: Path | None,
    splits: Sequence[str | None],
    out: Path | None,
    kinds: Sequence[str] = KINDS,
    rescoring: str | None = None,
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
        rescoring: whether masks change the scores of detections, by its name in the folder
            `rescoring`; by default what the run has. The predictions' file then has it in its name.

    Raises:
        InputError: the data, the checkpoint or the rescoring do not go together.
    """
    saved = saved_model(place)
    if rescoring is not None:
        saved = replace(saved, config=_with_rescoring(saved.config, rescoring, place))
    config = saved.config
    if dataset_name is not None or root is not None:
        config = _with_data_of(config, dataset_name or config.dataset.name, root)
    dataset = dataset_of(config)
    if saved.imported:  # whatever it was trained on is not here to be compared with
        dataset = replace(dataset, train=None)
    chosen = [dataset.split(name or dataset.evaluate) for name in splits]
    ids_of = {split.name: _category_ids(saved, dataset, split) for split in chosen}
    device = chosen_device(config.device)
    model = saved.model().to(device)
    results = []
    for name, split in zip(splits, chosen, strict=True):
        default = name is None and dataset_name is None
        named = "" if default else f"-{dataset.name}-{split.name}"
        of_best = "-best" if saved.is_the_best else ""
        rescored = "" if rescoring is None else f"-rescoring-{rescoring}"
        predictions = (
            out or saved.checkpoint.parent
        ) / f"predictions{of_best}{named}{rescored}.json"
        ids = ids_of[split.name]
        reader = ImageReader(config.channel_order)
        precision = chosen_precision(config.solver.precision, device)
        predict(model, config, split, ids, predictions, reader, precision)
        scores = None
        if split.annotated:
            scores = score(split.annotations, predictions, config.images.pixel_factor, kinds)
        results.append(Evaluated(split, predictions, scores, config))
    return results


def _category_ids(saved: SavedModel, dataset: Dataset, split: Split) -> list[int]:
    """The JSON's id of every class of the model.

    Raises:
        InputError: the split has other categories than the model, or than the split trained on.
    """
    source = split.annotations.name
    known = saved.known_classes
    if known is None:
        ids = load_categories(dataset, split.name)
        saved.fitting(len(ids), source)
        return ids
    content = read_coco_json(split.annotations, split.annotated)
    saved.fitting(len(content.categories), source)
    ids = known.ids_in(content.categories, source)
    if ids != [category.id for category in content.categories]:
        logger.info("the categories of %s come in another order; they are found by name", source)
    return ids


def _with_rescoring(config: RunConfiguration, name: str, place: Path) -> RunConfiguration:
    """The configuration of the same network with another way to score its detections."""
    refuse_unknown("rescoring", name)
    own = config.segmenter
    if "rescore" not in own:
        raise InputError(
            f"{place} has segmenter={config.parts['segmenter']}, which has no place for "
            f"rescoring={name}; leave it out."
        )
    segmenter = {**own, "rescore": compose([f"rescoring={name}"]).rescoring}
    if config.model == own:
        return config.changed(segmenter=segmenter, model=segmenter)
    networks = {key: segmenter for key, value in config.model.items() if value == own}
    return config.changed(segmenter=segmenter, model={**config.model, **networks})


def _with_data_of(config: RunConfiguration, dataset: str, root: Path | None) -> RunConfiguration:
    """The configuration with other data; images of the same kind keep their sizes."""
    refuse_unknown("dataset", dataset)
    words = [f"dataset={dataset}", f"scale={config.scale.name}", f"method={config.method}"]
    if root is not None:
        words.append(f"root={quoted(root)}")
    other = compose(words)
    images = config.images if other.dataset.kind == config.dataset.kind else other.images
    return config.changed(dataset=other.dataset, root=other.root, images=images, load_masks=False)
