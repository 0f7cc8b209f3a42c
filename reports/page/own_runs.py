"""The page of single runs, of no table: scores, configurations, curves, masks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.figures.figure import Figure
from reports.own_runs import OwnRun, differences
from reports.page.document import write_document
from reports.page.gallery import GalleryImage
from reports.page.run_links import RunLinks, link_run
from reports.wording.tables import metric_label

_FIRST = ("segm/AP", "segm/AP50", "segm/AP75", "segm/APs", "segm/APm", "segm/APl", "bbox/AP")
_FURTHER = ("pseudo/IoU-all", "pseudo/IoU-filled", "predicted/IoU-top")
"""Scores shown, those of `_FURTHER` where a run has them."""


@dataclass(frozen=True)
class RunView:
    """A run's line among the scores, which are in the order of the page's metrics."""

    label: str
    data: str
    steps: str
    seed: str
    scores: tuple[str, ...]
    links: RunLinks


def write_own_runs_page(
    out: Path,
    runs: Sequence[OwnRun],
    figures: Sequence[Figure],
    gallery: Sequence[GalleryImage],
    *,
    command: str,
) -> Path:
    """Write `<out>/index.html` on some runs and return it.

    Args:
        out: folder of the page.
        runs: at least one, in the order that they are shown in.
        figures: of these runs.
        gallery: the same images as they see them.
        command: that writes this page, to be shown on it.

    Raises:
        InputError: the folder cannot be written.
    """
    measured = {name for run in runs if run.result for name in run.result.metrics}
    metrics = [*_FIRST, *(name for name in _FURTHER if name in measured)]
    return write_document(
        out,
        "own_runs.html.j2",
        figures,
        gallery,
        heading=runs[0].label if len(runs) == 1 else f"{len(runs)} runs side by side",
        runs=[_view(run, metrics, out) for run in runs],
        metrics=[metric_label(name) for name in metrics],
        data=sorted({_data(run) for run in runs if run.result}),
        differences=differences(runs),
        command=command,
    )


def _view(run: OwnRun, metrics: Sequence[str], out: Path) -> RunView:
    result = run.result
    scores = [None if result is None else result.metrics.get(name) for name in metrics]
    links = link_run(run.folder.name, run.folder.parent, out)
    return RunView(
        label=run.label,
        data=_data(run),
        steps="-" if result is None else f"{result.iterations:,}",
        seed=run.configuration.get("seed", "-"),
        scores=tuple("-" if score is None else f"{score:.1f}" for score in scores),
        links=RunLinks(run.label, links.files),
    )


def _data(run: OwnRun) -> str:
    return "not ended" if run.result is None else f"{run.result.dataset} {run.result.split}"
