"""Masks that a box alone gives: rows below a table of pseudo masks, and what these say of it.

They depend on the data only, and every run with a teacher has measured them on its own
(`boxseg.trivial_masks`). They are no runs of the table: nothing counts them.
"""

from __future__ import annotations

import pandas as pd

from reports.definition import Row, TableDefinition
from reports.table import Absence, Cell, Table, TrivialRow
from reports.vocabulary import Lack

WITHOUT_OPENCV = "its runs were made without OpenCV, which boxseg[grabcut] brings"
BOX, ELLIPSE, GRABCUT = "trivial/box-IoU", "trivial/ellipse-IoU", "trivial/grabcut-IoU"
LABELS = {
    BOX: "Box as mask",
    ELLIPSE: "Ellipse in the box",
    GRABCUT: "GrabCut in the box (a sample of objects)",
}
OF_PSEUDO_MASKS = ("pseudo/IoU", "pseudo/IoU-all", "pseudo/IoU-filled")
"""They are one for masks that every object has."""

_READ_BY = ("pseudo/IoU-filled", "pseudo/IoU-all", "pseudo/IoU")
"""The first of these that a table has: the one over all objects that favours a labeller most."""

_NAMES = {BOX: "the box itself", ELLIPSE: "the ellipse in the box"}


def trivial_rows(definition: TableDefinition, runs: pd.DataFrame) -> tuple[TrivialRow, ...]:
    """Give the rows; none where the table shows no IoU of pseudo masks, or no run has any.

    Args:
        definition: of the table.
        runs: behind its cells, as `reports.results.read_results` gives them.
    """
    if not set(OF_PSEUDO_MASKS) & set(definition.metrics):
        return ()
    if not runs["metric"].isin(LABELS).any():
        return ()
    return tuple(
        TrivialRow(
            Row(name=row_name(metric), label=label),
            tuple(
                _cell(metric, column.name, shown, runs)
                for column in definition.columns
                for shown in definition.metrics
            ),
        )
        for metric, label in LABELS.items()
    )


def row_name(metric: str) -> str:
    """Give the name of a metric's row, which no row of a table has."""
    return metric.replace("/", "-").lower()


def values_of(runs: pd.DataFrame) -> dict[str, float]:
    """Give what runs on the same data have measured, by metric; those of which they agree."""
    measured = runs[runs["metric"].isin(LABELS)].dropna(subset="value")
    return {
        str(metric): float(values.iloc[0])
        for metric, values in measured.groupby("metric")["value"]
        if values.round(6).nunique() == 1
    }


def _cell(metric: str, column: str, shown: str, runs: pd.DataFrame) -> Cell:
    own = runs[runs["column"] == column]
    measured = own[own["metric"] == metric].dropna(subset="value")
    value = values_of(own).get(metric)
    absence = None
    if shown not in OF_PSEUDO_MASKS:
        absence = Absence(Lack.INAPPLICABLE)
    elif value is None and len(measured):
        absence = Absence(Lack.NOT_POOLED, "its runs were made on different data")
    elif value is None:
        with_others = own["metric"].isin(LABELS).any()
        absence = Absence(Lack.NOT_MEASURED, WITHOUT_OPENCV if with_others else "")
    return Cell(
        row=row_name(metric),
        column=column,
        metric=shown,
        paper=None,
        mean=None if absence else value,
        sd=None,
        n=0 if absence else 1,
        runs=() if absence else tuple(measured["run"]),
        absence=absence,
        difference=None,
        values=(),
    )


def trivial_notes(table: Table) -> list[str]:
    """Say of each column which rows' pseudo masks are below masks that a box alone gives.

    Below the box or the ellipse in it a labeller teaches nothing that the boxes do not. GrabCut has
    the image's colours besides, so a labeller below it may still teach.
    """
    metric = next((one for one in _READ_BY if one in table.definition.metrics), None)
    lines = []
    for column in table.definition.columns if metric else ():
        values = {
            cell.row: cell.mean
            for one in table.trivial
            for cell in one.cells
            if (cell.column, cell.metric) == (column.name, metric) and cell.mean is not None
        }
        rows = [one for one in table.cells if (one.column, one.metric) == (column.name, metric)]
        lines += _of_column(table, column.label, rows, values)
    for one in table.trivial:
        reasons = {str(cell.absence) for cell in one.cells if cell.metric in OF_PSEUDO_MASKS}
        lines += [f"{one.row.label}: {reason}." for reason in sorted(reasons) if ": " in reason]
    return lines


def _of_column(table: Table, column: str, cells: list[Cell], values: dict[str, float]) -> list[str]:
    labels = {row.name: row.label for row in table.definition.rows}
    place = f"{column}: " if column else ""
    by_metric = {name: values.get(row_name(name)) for name in LABELS}
    lines = []
    bars = [(value, _NAMES[name]) for name in _NAMES if (value := by_metric[name]) is not None]
    if bars:
        bar, name = max(bars)
        below = [labels[one.row] for one in cells if one.mean is not None and one.mean < bar]
        if below:
            lines.append(
                f"{place}the pseudo masks of {'; '.join(below)} teach nothing that the boxes do "
                f"not: {name} covers the objects better ({bar:.1f})."
            )
    cut = by_metric[GRABCUT]
    below = [
        labels[one.row]
        for one in cells
        if cut is not None and one.mean is not None and one.mean < cut
    ]
    if below:
        lines.append(
            f"{place}GrabCut in the box, which learns nothing from other images, covers the "
            f"objects better ({cut:.1f}) than the pseudo masks of {'; '.join(below)}."
        )
    return lines
