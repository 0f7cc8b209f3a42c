"""A page of runs of one's own, of no table of the paper."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from boxseg.errors import InputError
from experiments.reporting.gallery import compared_images, run_config
from reports.figures import write_figures
from reports.figures.training_curves import runs_figure
from reports.own_runs import OwnRun, read_own_runs
from reports.page.document import GalleryImage
from reports.page.write import write_own_runs_page

logger = logging.getLogger(__name__)


def report_own_runs(folders: Sequence[Path], out: Path, command: str) -> Path:
    """Write the page of some runs, and its figures beside it; returns the page.

    Args:
        folders: of the runs, in the order of the page; they need not have ended.
        out: folder of the page.
        command: that writes it, to be shown on it.

    Raises:
        InputError: a folder is none of a run, or a file cannot be read or written.
    """
    runs = read_own_runs(folders)
    figure = runs_figure({run.label: run.folder for run in runs})
    figures = [figure] if figure is not None else []
    write_figures(figures, out / "figures")
    return write_own_runs_page(out, runs, figures, _gallery(runs), command=command)


def _gallery(runs: Sequence[OwnRun]) -> tuple[GalleryImage, ...]:
    """The same images as every run that has predictions sees them; none of runs on other data."""
    shown = {run.label: run.folder for run in runs if (run.folder / "predictions.json").is_file()}
    without = [run.label for run in runs if run.label not in shown]
    if without:
        logger.warning("the gallery lacks runs without predictions: %s", ", ".join(without))
    try:
        if len({_data(folder) for folder in shown.values()}) > 1:
            raise InputError("the runs were evaluated on different images.")
        return compared_images(shown)
    except InputError as error:
        logger.warning("the page has no gallery: %s", error)
        return ()


def _data(folder: Path) -> tuple[object, ...]:
    """What runs have to share for their masks to stand side by side."""
    dataset = run_config(folder).dataset
    return dataset.name, dataset.source.get("root"), dataset.evaluate
