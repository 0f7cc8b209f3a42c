"""A checkpoint made ready to predict on images that belong to no dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boxseg.data.entries import Category
from boxseg.engine.precision import chosen_precision
from boxseg.engine.prediction import ImagePredictor
from experiments.run.device import chosen_device
from experiments.run.saved_model import categories_of, saved_model


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
