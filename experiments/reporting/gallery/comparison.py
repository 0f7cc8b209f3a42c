"""The same images as several runs see them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from boxseg.data.dataset import Dataset
from boxseg.data.image_reader import UnreadableImage, decode_image
from boxseg.errors import InputError
from experiments.configuration.run_configuration import RunConfiguration
from experiments.reporting.gallery.choice import (
    Choice,
    chosen_by_difference,
    chosen_by_score,
    chosen_first,
)
from experiments.reporting.gallery.pictures import panels
from experiments.reporting.gallery.predicted import (
    Predicted,
    TrueObjects,
    best_overlap,
    true_objects,
)
from experiments.run.data import dataset_of
from reports.page.document import GalleryImage

SCORE_THRESHOLD = 0.3
"""Detections below it are not drawn, as `boxseg predict` leaves them out."""

_PER_SITUATION = 1
_WITHOUT_MASKS = 5


def run_config(run: Path) -> RunConfiguration:
    """The configuration beside a run's result.

    Raises:
        InputError: it cannot be read.
    """
    return RunConfiguration.read(run / "config.yaml")


def compared_images(
    runs: Mapping[str, Path],
    score_threshold: float = SCORE_THRESHOLD,
    dataset: Dataset | None = None,
) -> tuple[GalleryImage, ...]:
    """Images of the evaluated split, and of the situations, in the panels of all runs.

    The rule: where the split has true masks, the images at the quantiles 0, 1/4, 1/2, 3/4 and 1 of
    the mean best-overlap IoU per image (`predicted.best_overlap`; images without objects do not
    count), the worst one included: of the difference between two runs, or that of the only one. The
    two are the last run and the one before it, unless it is "SIM", which gives way to the one
    before. Otherwise the first five images by id. Of each situation that all runs predicted, the
    first image by id.

    Args:
        runs: finished ones on the same data, by the label of their method, in the order of their
            panels.
        score_threshold: detections below it are not drawn.
        dataset: that the runs were evaluated on; that of their configuration by default, generated
            if need be.

    Raises:
        InputError: the data, a run's predictions, or an image cannot be read.
    """
    if not runs:
        return ()
    config = run_config(next(iter(runs.values())))
    dataset = dataset or dataset_of(config)
    shown = list(
        _of_split(dataset, dataset.evaluate, runs, "predictions.json", score_threshold, True)
    )
    for name in config.dataset.situations:
        file = f"predictions-{dataset.name}-{name}.json"
        if all((run / file).is_file() for run in runs.values()):
            shown += _of_split(dataset, name, runs, file, score_threshold, False)
    return tuple(shown)


def _of_split(
    dataset: Dataset,
    split_name: str | None,
    runs: Mapping[str, Path],
    file: str,
    score_threshold: float,
    by_difference: bool,
) -> list[GalleryImage]:
    split = dataset.split(split_name)
    truth = true_objects(split)
    predicted = {label: Predicted.read(run / file) for label, run in runs.items()}
    if by_difference:
        choices = _choices(truth, predicted, split.name)
    else:
        choices = chosen_first(truth.images, _PER_SITUATION, f"the situation {split.name}")
    images = []
    for choice in choices:
        source = split.images / truth.images[choice.image]["file_name"]
        try:
            pixels = decode_image(source).pixels
        except UnreadableImage as error:
            raise InputError(f"image {source} cannot be read ({error}); restore it.") from None
        found = {label: one.on(choice.image) for label, one in predicted.items()}
        images.append(
            GalleryImage(
                image=f"{dataset.name}/{split.name}/{choice.image}",
                caption=f"Image {choice.image} of {dataset.name}, {split.name}: {choice.reason}. "
                f"Drawn are detections of score {score_threshold:g} or more.",
                panels=panels(pixels, choice.image, truth, found, score_threshold),
            )
        )
    return images


def _choices(
    truth: TrueObjects, predicted: Mapping[str, Predicted], split_name: str
) -> list[Choice]:
    labels = list(predicted)
    rivals = [label for label in labels[:-1] if label != "SIM"] or labels[:-1]
    scored = [image for image, objects in truth.objects.items() if objects]
    if not truth.masked or not scored:
        return chosen_first(truth.images, _WITHOUT_MASKS, f"split {split_name}")

    def scores(label: str) -> dict[int, float]:
        found = predicted[label]
        return {image: best_overlap(truth.objects[image], found.on(image)) for image in scored}

    if not rivals:
        return chosen_by_score(scores(labels[0]), labels[0])
    first, second = scores(labels[-1]), scores(rivals[-1])
    return chosen_by_difference(first, second, labels[-1], rivals[-1])
