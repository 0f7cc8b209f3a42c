"""Masks that a box alone gives, as rows below a table of pseudo masks: what has to be beaten.

They depend on the data only, and every run with a teacher has measured them on its own
(`boxseg.trivial_masks`). They are no runs of the table: nothing counts them.
"""

from __future__ import annotations

import pandas as pd

from reports.definition import Row, TableDefinition
from reports.table import Absence, Cell, TrivialRow
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
