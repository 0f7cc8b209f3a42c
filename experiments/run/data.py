"""The data of a run: found or generated, loaded, and checked before anything is trained."""

from __future__ import annotations

import logging
from pathlib import Path

from boxseg.data.box_only import read_training_boxes, sha256_of_file
from boxseg.data.coco_json import read_coco_json
from boxseg.data.dataset import Dataset, Split
from boxseg.data.entries import Category
from boxseg.data.records import LoadedRecords, evaluation_images, load_records
from boxseg.data.trained_on import TrainedOn
from boxseg.engine.evaluation import ground_truth
from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.run_configuration import RunConfiguration

logger = logging.getLogger(__name__)


def dataset_of(config: RunConfiguration) -> Dataset:
    """The dataset of a run; generated if need be."""
    source = config.dataset.source
    root = None if source["root"] is None else Path(source["root"])
    dataset: Dataset = build(source, config.packages, root=root)
    return dataset


def load_data(config: RunConfiguration) -> tuple[Dataset, LoadedRecords]:
    """The dataset (generated if need be) and its training records."""
    dataset = dataset_of(config)
    training = load_records(dataset.split(dataset.train), config.load_masks, dataset.train_ids)
    logger.info("training data %s", training.report.sentence())
    return dataset, training


def trained_on(dataset: Dataset, training: LoadedRecords) -> TrainedOn:
    """What a model that is trained on these records remembers of them."""
    digest = sha256_of_file(dataset.split(dataset.train).annotations)
    return TrainedOn(tuple(training.categories), digest)


def complete(config: RunConfiguration, training: LoadedRecords) -> RunConfiguration:
    """The configuration with the number of classes that the training data have.

    Raises:
        InputError: it is set to another number.
    """
    found, configured = len(training.categories), config.dataset.num_classes
    if configured is None:
        return config.with_number_of_classes(found)
    if configured != found:
        raise InputError(
            f"dataset.num_classes is {configured}, but {training.report.file} "
            f"lists {found} categories; set dataset.num_classes={found} or use the right data."
        )
    return config


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
