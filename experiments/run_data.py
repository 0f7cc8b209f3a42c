"""The data of a run: found or generated, loaded, and checked before anything is trained."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from boxseg.data.coco_json import read_coco_json
from boxseg.data.dataset import Dataset
from boxseg.data.records import LoadedRecords, evaluation_images, load_records
from boxseg.engine.evaluation import ground_truth
from boxseg.errors import InputError
from experiments.components import build

logger = logging.getLogger(__name__)


def dataset_of(config: DictConfig) -> Dataset:
    """The dataset of a run; generated if need be."""
    source = config.dataset.source
    root = None if source.root is None else Path(source.root)
    dataset: Dataset = build(source, root=root)
    return dataset


def load_data(config: DictConfig) -> tuple[Dataset, LoadedRecords]:
    """The dataset (generated if need be) and its training records; completes `num_classes`."""
    dataset = dataset_of(config)
    training = load_records(dataset.split(dataset.train), with_masks=config.load_masks)
    logger.info("training data %s", training.report.sentence())
    return dataset, training


def complete(config: DictConfig, training: LoadedRecords) -> DictConfig:
    """The configuration with the number of classes that the data have.

    Raises:
        InputError: it is set to another number.
    """
    found = len(training.categories)
    if config.dataset.num_classes is None:
        config = config.copy()
        set_everywhere(config, "num_classes", found)
    elif config.dataset.num_classes != found:
        raise InputError(
            f"dataset.num_classes is {config.dataset.num_classes}, but {training.report.file} "
            f"lists {found} categories; set dataset.num_classes={found} or use the right data."
        )
    return config


def set_everywhere(node: DictConfig, key: str, value: int | None) -> None:
    """Set every `key` in a configuration, at whatever depth."""
    for name in list(node):
        if name == key:
            node[name] = value
        elif isinstance(node[name], DictConfig):
            set_everywhere(node[name], key, value)


def check_evaluated_split(dataset: Dataset) -> None:
    """Refuse before training what the evaluation after it would refuse.

    Raises:
        InputError: the evaluated split is malformed, lacks an image's file, or has other categories
            than the one trained on.
    """
    split = dataset.split(dataset.evaluate)
    evaluation_images(split)
    load_categories(dataset, split.name)
    ground_truth(split.annotations)


def load_categories(dataset: Dataset, split_name: str) -> list[int]:
    """The JSON's category ids in the order of the model's classes.

    Raises:
        InputError: the evaluated split has other categories than the one trained on.
    """
    trained = read_coco_json(dataset.split(dataset.train).annotations).categories
    evaluated = read_coco_json(dataset.split(split_name).annotations).categories
    if [(c.id, c.name) for c in trained] != [(c.id, c.name) for c in evaluated]:
        raise InputError(
            f"split {split_name} of {dataset.name} has other categories than split "
            f"{dataset.train}; make their `categories` lists equal."
        )
    return [category.id for category in trained]
