"""The figures and the page of a report."""

from __future__ import annotations

import logging
from pathlib import Path

from boxseg.errors import InputError
from experiments.reporting.gallery import gallery
from experiments.reporting.tables import Report
from reports.figures import all_figures, write_figures
from reports.page.document import GalleryImage
from reports.page.write import write_page

logger = logging.getLogger(__name__)


def write_figures_and_page(report: Report, scale: str, runs: Path, out: Path, command: str) -> None:
    """Write `<out>/<scale>/figures/` and `<out>/index.html`.

    Args:
        report: whose files in `out` the page links, so they come first.
        scale: of the report.
        runs: folder of the runs.
        out: folder of the reports.
        command: that writes them, to be shown on the page.

    Raises:
        InputError: a folder cannot be written.
    """
    figures = all_figures(report.tables, report.assessments, report.results, runs)
    write_figures(figures, out / scale / "figures")
    pictures = _gallery(report, scale, runs)
    write_page(
        out,
        report.tables,
        report.assessments,
        figures,
        pictures,
        report.results,
        controls=report.controls,
        runs=runs,
        command=command,
    )


def _gallery(report: Report, scale: str, runs: Path) -> tuple[GalleryImage, ...]:
    """The gallery, or none where the images that the runs were evaluated on are not here."""
    try:
        return gallery(runs, scale, [table.definition for table in report.tables])
    except InputError as error:
        logger.warning("the page has no gallery: %s", error)
        return ()
