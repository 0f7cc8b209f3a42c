"""The data of a run: found or generated, loaded, and checked before anything is trained."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from boxseg.data.box_only import read_training_boxes
from boxseg.data.coco_json import read_coco_json
from boxseg.data.dataset import Dataset, Split
from boxseg.data.entries import Category
from boxseg.data.records import LoadedRecords, evaluation_images, load_records
from boxseg.engine.evaluation import ground_truth
from boxseg.errors import InputError
from experiments.configuration.build import build

logger = logging.getLogger(__name__)


def dataset_of(config: DictConfig) -> Dataset:
    """The dataset of a run; generated if need be."""
    source = config.dataset.source
    root = None if source.root is None else Path(source.root)
    dataset: Dataset = build(source, root=root)
    return dataset


def load_data(config: DictConfig) -> tuple[Dataset, LoadedRecords]:
    """The dataset (generated if need be) and its training records."""
    dataset = dataset_of(config)
    training = load_records(dataset.split(dataset.train), config.load_masks, dataset.train_ids)
    logger.info("training data %s", training.report.sentence())
    return dataset, training


def complete(config: DictConfig, training: LoadedRecords) -> DictConfig:
    """The configuration with the number of classes that the training data have.

    Raises:
        InputError: it is set to another number.
    """
    return _with_classes(config, len(training.categories), training.report.file)


def complete_for_evaluation(config: DictConfig, dataset: Dataset, split_name: str) -> DictConfig:
    """The configuration with the number of classes of an evaluated split.

    The split trained on need not be on disk.

    Raises:
        InputError: it is set to another number.
    """
    split = dataset.split(split_name)
    return _with_classes(config, len(load_categories(dataset, split_name)), split.annotations.name)


def _with_classes(config: DictConfig, found: int, file: str) -> DictConfig:
    if config.dataset.num_classes is None:
        config = config.copy()
        set_everywhere(config, "num_classes", found)
    elif config.dataset.num_classes != found:
        raise InputError(
            f"dataset.num_classes is {config.dataset.num_classes}, but {file} "
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

    They are compared with those of the split trained on where that is on disk.

    Raises:
        InputError: the evaluated split has other categories than the one trained on.
    """
    evaluated = _categories(dataset.split(split_name))
    if dataset.train in dataset.splits and dataset.train != split_name:
        trained = _categories(dataset.split(dataset.train))
        if trained != evaluated:
            raise InputError(
                f"split {split_name} of {dataset.name} has other categories than split "
                f"{dataset.train}; make their `categories` lists equal."
            )
    return [category.id for category in evaluated]


def _categories(split: Split) -> list[Category]:
    if split.boxes is not None:
        return list(read_training_boxes(split).categories)
    return list(read_coco_json(split.annotations, split.annotated).categories)
