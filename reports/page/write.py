"""The report's pages, each one file: that of tables, and that of single runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boxseg.errors import InputError
from reports.claims import Assessment
from reports.figures.figure import Figure
from reports.own_runs import OwnRun, differences
from reports.page.document import GalleryImage, RunLinks, link_run, no_name_twice, write_document
from reports.page.table_view import TableView, view_table, view_verdict
from reports.results import Results
from reports.table import PAPER_SCALE, Table
from reports.wording import tables as wording
from reports.wording.claims import count_verdicts, how_to_read_claims
from reports.wording.why import Why, explain_verdicts

_FIRST = ("segm/AP", "segm/AP50", "segm/AP75", "segm/APs", "segm/APm", "segm/APl", "bbox/AP")
_FURTHER = ("pseudo/IoU-all", "pseudo/IoU-filled", "predicted/IoU-top")
"""Scores shown, those of `_FURTHER` where a run has them."""


def write_page(
    out: Path,
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    figures: Sequence[Figure],
    gallery: Sequence[GalleryImage],
    results: Results | None,
    *,
    controls: Table | None = None,
    runs: Path | None = None,
    command: str = "boxseg report all",
) -> Path:
    """Write `<out>/index.html`; the same input beside the same files gives the same bytes.

    Args:
        out: folder of the page.
        tables: of one scale, each name once; any number, none included. Those with runs are shown
            first.
        assessments: their claims' verdicts; those of other tables are not shown.
        figures: shown in this order, their `svg` in the page.
        gallery: shown in this order, their pictures in the page.
        results: all that were read; None where there is no folder of runs.
        controls: the table of controls at their scale, for the section that explains verdicts.
        runs: the runs' root. Files of runs that are there are linked, relative to `out`.
        command: that writes this page, to be shown on it.

    Raises:
        InputError: the folder cannot be written, two tables share a name or differ in scale, two
            figures share a name, or a panel of the gallery is no PNG or has no alternative text.
    """
    scale = _one_scale(tables)
    no_name_twice("tables", [table.name for table in tables])
    places = [] if results is None else sorted(results.frame["run"].unique())
    links = {place: link_run(place, runs, out) for place in places}
    shown = {run for table in tables for cell in table.cells for run in cell.runs}
    # What was run comes first; the order is otherwise that given.
    by_runs = sorted(tables, key=lambda table: not any(cell.runs for cell in table.cells))
    views = [view_table(table, assessments, links, out) for table in by_runs]
    return write_document(
        out,
        "page.html.j2",
        figures,
        gallery,
        scale=scale,
        is_paper_scale=scale == PAPER_SCALE,
        command=command,
        tables=views,
        how_to_read_claims=how_to_read_claims(scale) if scale else "",
        verdicts=_count_verdicts(tables, assessments),
        run_count=len(shown) if results is None else results.count_trained(shown),
        newest_run=_newest_run(tables),
        suite_versions=sorted({table.suite_version for table in tables}),
        why=_why(tables, assessments, controls, results),
        left_out=_left_out(results, views),
    )


def _why(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    controls: Table | None,
    results: Results | None,
) -> tuple[Why, ...]:
    """Explain the verdicts where something was run."""
    if results is None or not any(cell.runs for table in tables for cell in table.cells):
        return ()
    return explain_verdicts(tables, assessments, controls, results)


def _one_scale(tables: Sequence[Table]) -> str | None:
    scales = sorted({table.scale for table in tables})
    if len(scales) > 1:
        raise InputError(
            f"a page was asked for of several scales ({', '.join(scales)}); write one for each."
        )
    return scales[0] if scales else None


def _count_verdicts(
    tables: Sequence[Table], assessments: Sequence[Assessment]
) -> list[tuple[object, int]]:
    shown = {(table.name, table.scale) for table in tables}
    counts = count_verdicts([one for one in assessments if (one.table, one.scale) in shown])
    return [(view_verdict(verdict), count) for verdict, count in counts.items()]


def _newest_run(tables: Sequence[Table]) -> str:
    known = [table.newest_run for table in tables if table.newest_run is not None]
    return wording.newest_run(max(known, default=None))


def _left_out(results: Results | None, tables: Sequence[TableView]) -> list[tuple[str, str]]:
    """Give the files left out that no shown table names."""
    if results is None:
        return []
    named = {finding for table in tables for finding in table.rejected}
    return [
        (one.path, one.reason) for one in results.rejected if (one.path, one.reason) not in named
    ]


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
        metrics=[wording.metric_label(name) for name in metrics],
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
