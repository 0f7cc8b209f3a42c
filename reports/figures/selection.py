"""What a figure of a table shows: the runs behind the table's numbers, and no others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from reports.definition import Column
from reports.figures.looks import DrawnRow, drawn_rows
from reports.statistics import Interval, mean, t_interval
from reports.table import Table

INTERVAL = "95% interval of the mean over seeds (Student's t)"


@dataclass(frozen=True)
class Estimate:
    """The values of some runs, their mean and its 95% t interval (None for a single run)."""

    values: tuple[float, ...]
    mean: float
    interval: Interval | None

    @property
    def n(self) -> int:
        """Give the number of runs."""
        return len(self.values)


def estimate(values: Iterable[float]) -> Estimate | None:
    """Give mean and interval of the values that are numbers; None if there are none."""
    found = tuple(value for value in values if math.isfinite(value))
    return Estimate(found, mean(found), t_interval(found)) if found else None


def runs_behind(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Give the lines of the tidy frame whose runs the table's cells name."""
    runs = {run for cell in table.cells for run in cell.runs}
    return frame[frame["run"].isin(runs)]


def estimates(
    table: Table, frame: pd.DataFrame, column: str, metric: str
) -> dict[str, Estimate | None]:
    """Estimate a metric for every row of a column, by the row's name.

    Args:
        frame: of the table's runs alone.
    """
    lines = frame[(frame["column"] == column) & (frame["metric"] == metric)]
    return {
        row.name: estimate(lines["value"][lines["row"] == row.name])
        for row in table.definition.rows
    }


def rows_with_runs(table: Table, frame: pd.DataFrame) -> list[DrawnRow]:
    """Give the rows that have runs, in the table's order."""
    present = set(frame["row"])
    return [row for row in drawn_rows(table.definition) if row.name in present]


def columns_with_runs(table: Table, frame: pd.DataFrame) -> list[Column]:
    """Give the columns that have runs, in the table's order."""
    present = set(frame["column"])
    return [column for column in table.definition.columns if column.name in present]
