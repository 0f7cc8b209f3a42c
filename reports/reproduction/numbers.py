"""The numbers that statements refer to, from the records, or the word that says there is none."""

from __future__ import annotations

import pandas as pd

from reports.cell_wording import bounds
from reports.definition import CellRef
from reports.reproduction.statements import Difference, OneRun, Reference, Statement
from reports.statistics import mean, paired_differences, t_interval

UNMEASURED = "unmeasured"


def fill(statement: Statement, frame: pd.DataFrame) -> str:
    """Give a statement's text with its numbers; `frame` is as `read_results` gives it."""
    return statement.filled({name: number(at, frame) for name, at in statement.numbers.items()})


def number(reference: Reference | None, frame: pd.DataFrame) -> str:
    """Write what a reference leads to, or `unmeasured`."""
    if isinstance(reference, OneRun):
        found = frame[(frame["run"] == reference.run) & (frame["metric"] == reference.metric)]
        values = found["value"].dropna().tolist()
        return f"{values[0]:.1f}" if values else UNMEASURED
    return UNMEASURED if reference is None else _difference(reference, frame)


def _difference(reference: Difference, frame: pd.DataFrame) -> str:
    paired = paired_differences(
        _by_seed(reference, reference.minuend, frame),
        _by_seed(reference, reference.subtrahend, frame),
    )
    if not paired.seeds:
        return UNMEASURED
    interval = t_interval(paired.differences)
    spread = "" if interval is None else f" {bounds(interval, 2)}"
    text = f"{mean(paired.differences):+z.2f}{spread} {reference.metric}, n={len(paired.seeds)}"
    return f"{text} ({reference.scale}, {reference.table})"


def _by_seed(reference: Difference, cell: CellRef, frame: pd.DataFrame) -> dict[int, float]:
    found = frame[
        (frame["scale"] == reference.scale)
        & (frame["table"] == reference.table)
        & (frame["row"] == cell.row)
        & (frame["column"] == cell.column)
        & (frame["metric"] == reference.metric)
    ].dropna(subset="value")
    return dict(zip(found["seed"].tolist(), found["value"].tolist(), strict=True))
