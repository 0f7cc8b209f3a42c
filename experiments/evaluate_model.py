"""Evaluating a model on a split: predictions saved, then scored from what was saved."""

from __future__ import annotations

from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import nn

from boxseg.data.dataset import Dataset
from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import EvaluationMapper
from boxseg.data.records import evaluation_images
from boxseg.engine.evaluation import Scores, predictions_of, score
from boxseg.files import write_json_atomically
from experiments.run_data import load_categories


def evaluate(
    model: nn.Module,
    config: DictConfig,
    split_name: str,
    dataset: Dataset,
    predictions_file: Path,
    reader: ImageReader,
    precision: torch.dtype,
) -> Scores:
    """Predict on a split, save the predictions, and score what was saved."""
    split = dataset.split(split_name)
    categories = load_categories(dataset, split_name)
    mapper = EvaluationMapper(reader, config.images.test_short_side, config.images.max_side)
    predictions = predictions_of(
        model,
        evaluation_images(split),
        mapper,
        categories,
        precision,
        config.evaluation_batch_size,
        f"evaluating {split_name}",
    )
    write_json_atomically(predictions_file, predictions, indent=None)
    return score(split.annotations, predictions_file, config.images.pixel_factor)
