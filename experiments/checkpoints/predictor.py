"""A checkpoint made ready to predict on images that belong to no dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detectron2.data.datasets.builtin_meta import COCO_CATEGORIES

from boxseg.data.coco_json import read_coco_json
from boxseg.data.entries import Category
from boxseg.engine.precision import chosen_precision
from boxseg.engine.prediction import ImagePredictor
from boxseg.errors import InputError
from experiments.checkpoints.saved_model import SavedModel, saved_model
from experiments.run.data import dataset_of
from experiments.run.device import chosen_device

COCO_CLASSES = tuple(Category(one["id"], one["name"]) for one in COCO_CATEGORIES if one["isthing"])


def load_predictor(
    place: Path, device_name: str, score_threshold: float, categories: Path | None
) -> tuple[ImagePredictor, Sequence[Category]]:
    """The model of a checkpoint, and the categories of its classes in their order.

    Args:
        place: a run directory, or a checkpoint.
        device_name: "auto" takes a GPU if there is one.
        score_threshold: detections below it are left out.
        categories: COCO JSON with the model's categories; without it those that the checkpoint
            holds or, if it holds none, those of its data, or COCO's for a model of COCO.

    Raises:
        InputError: the checkpoint cannot be read, its categories are not known, or there is no such
            device.
    """
    saved = saved_model(place)
    device = chosen_device(device_name)
    names = categories_of(saved, categories)
    source = "its data" if categories is None else str(categories)
    config = saved.fitting(len(names), source)
    predictor = ImagePredictor(
        saved.model().to(device),
        config.channel_order,
        config.images.test_short_side,
        config.images.max_side,
        chosen_precision(config.solver.precision, device),
        score_threshold,
    )
    return predictor, names


def categories_of(saved: SavedModel, file: Path | None) -> Sequence[Category]:
    """The categories of a model's classes, in their order.

    Args:
        saved: the model; its checkpoint may tell them.
        file: COCO JSON that lists them, which comes first; without either those of the data it was
            trained on are looked for.

    Raises:
        InputError: they are not known.
    """
    if file is not None:
        return read_coco_json(file, annotated=False).categories
    if saved.trained_on is not None:
        return saved.trained_on.categories
    config = saved.config
    try:
        dataset = dataset_of(config)
        trained = dataset.train in dataset.splits
        split = dataset.split(dataset.train if trained else dataset.evaluate)
        return read_coco_json(split.annotations, split.annotated).categories
    except InputError as error:
        if config.dataset.name == "coco" and config.num_classes == len(COCO_CLASSES):
            return COCO_CLASSES
        reason = str(error).rstrip(".")
        raise InputError(
            f"the names of the model's categories are not known without its data ({reason}); give "
            "a COCO JSON that lists them with --categories FILE."
        ) from None
