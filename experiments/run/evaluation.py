"""Evaluating a model on a split: predictions saved, then scored from what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from boxseg.data.dataset import Dataset, Split
from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import EvaluationMapper
from boxseg.data.records import evaluation_images
from boxseg.engine.distributed import on_first_rank
from boxseg.engine.evaluation import KINDS, Scores, predictions_of, score
from boxseg.engine.image_bootstrap import REPLICATES
from boxseg.files import write_json_atomically
from boxseg.progress_display.display import DISPLAY
from experiments.configuration.run_configuration import RunConfiguration
from experiments.run.data import load_categories


def detections(
    model: nn.Module,
    config: RunConfiguration,
    records: Sequence[dict[str, Any]],
    category_ids: Sequence[int],
    reader: ImageReader,
    precision: torch.dtype,
    title: str,
) -> list[dict[str, Any]]:
    """What a model finds on images, at the size that the configuration evaluates at.

    Args:
        records: of the images; see `boxseg.data.records.evaluation_images`.
        category_ids: the JSON's id of every class of the model.
        title: of the progress bar.

    Returns:
        COCO results, in the first process; see `boxseg.engine.evaluation.predictions_of`.
    """
    mapper = EvaluationMapper(reader, config.images.test_short_side, config.images.max_side)
    size = config.evaluation_batch_size
    return predictions_of(model, records, mapper, category_ids, precision, size, title)


def predict(
    model: nn.Module,
    config: RunConfiguration,
    split: Split,
    category_ids: Sequence[int],
    predictions_file: Path,
    reader: ImageReader,
    precision: torch.dtype,
) -> None:
    """Predict on a split and save the predictions as COCO's result JSON.

    Several processes share the images; the first one saves what all have found.

    Args:
        category_ids: the JSON's id of every class of the model.
    """
    records, title = evaluation_images(split), f"evaluating {split.name}"
    found = detections(model, config, records, category_ids, reader, precision, title)
    on_first_rank(lambda: write_json_atomically(predictions_file, found, indent=None))


def evaluate(
    model: nn.Module,
    config: RunConfiguration,
    split_name: str,
    dataset: Dataset,
    predictions_file: Path,
    reader: ImageReader,
    precision: torch.dtype,
    replicates: int = REPLICATES,
) -> Scores:
    """Predict on a split, save the predictions, and score what was saved.

    Args:
        replicates: see `boxseg.engine.evaluation.score`.
    """
    split = dataset.split(split_name)
    ids = load_categories(dataset, split_name)
    predict(model, config, split, ids, predictions_file, reader, precision)
    factor = config.images.pixel_factor
    with DISPLAY.doing(f"scoring {split.name}"):
        return on_first_rank(
            lambda: score(split.annotations, predictions_file, factor, replicates=replicates)
        )


def evaluate_situations(
    model: nn.Module,
    config: RunConfiguration,
    dataset: Dataset,
    folder: Path,
    reader: ImageReader,
    precision: torch.dtype,
) -> dict[str, float | None]:
    """AP on the splits that `dataset.situations` lists, as `segm/AP@<split>` and `bbox/AP@<split>`.

    Args:
        folder: for the predictions on each, `predictions-<dataset>-<split>.json`.
    """
    metrics: dict[str, float | None] = {}
    for name in config.dataset.situations:
        file = folder / f"predictions-{dataset.name}-{name}.json"
        found = evaluate(model, config, name, dataset, file, reader, precision, 0).metrics
        metrics |= {f"{kind}/AP@{name}": found[f"{kind}/AP"] for kind in KINDS}
    return metrics
