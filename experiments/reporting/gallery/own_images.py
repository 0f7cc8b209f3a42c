"""What several runs predict on image files of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from boxseg.data.image_files import find_images
from boxseg.engine.prediction import Skipped
from boxseg.errors import InputError
from experiments.checkpoints.predictor import load_predictor
from experiments.reporting.gallery.comparison import SCORE_THRESHOLD
from experiments.reporting.gallery.pictures import image_panel, method_panel
from experiments.reporting.gallery.predicted import TrueObjects
from reports.page.document import GalleryImage, Panel


def predicted_images(
    folder: Path,
    runs: Mapping[str, Path],
    score_threshold: float = SCORE_THRESHOLD,
    most: int = 3,
) -> tuple[GalleryImage, ...]:
    """The first images of a folder, by path, in the panels of all runs; there is no truth.

    Args:
        folder: with image files of any kind and size.
        runs: with checkpoints, by the label of their method, in the order of their panels.
        score_threshold: detections below it are not drawn.
        most: greatest number of images.

    Raises:
        InputError: the folder holds no image, or an image or a checkpoint cannot be read.
    """
    files = find_images([str(folder)], folder / "no results").files[:most]
    panels: list[list[Panel]] = [[] for _ in files]
    for label, run in runs.items():
        predictor, categories = load_predictor(run, "auto", score_threshold, None)
        names = {one.id: one.name for one in categories}
        for place, answer in enumerate(predictor(files, batch_size=1)):
            if isinstance(answer, Skipped):
                raise InputError(
                    f"image {answer.file} cannot be read ({answer.reason}); remove it from the "
                    "folder."
                )
            pixels = answer.image.pixels
            if not panels[place]:
                panels[place].append(image_panel(pixels, place + 1))
            found = answer.coco_results(place + 1, list(names))
            unknown = TrueObjects({}, {place + 1: []}, names, masked=False)
            panels[place].append(
                method_panel(label, pixels, place + 1, unknown, found, score_threshold)
            )
    return tuple(
        GalleryImage(
            image=file.name,
            caption=f"{file.name}: image {place} of the folder, in the order of paths. Drawn are "
            f"detections of score {score_threshold:g} or more.",
            panels=tuple(shown),
        )
        for place, (file, shown) in enumerate(zip(files, panels, strict=True), start=1)
    )
