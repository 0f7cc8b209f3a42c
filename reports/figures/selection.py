"""Which runs a figure of a table shows: those behind the table's numbers, and no others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

import pandas as pd

from reports.definition import Column, Row
from reports.figures.interval import Estimate, estimate
from reports.table import Table
from reports.wording import metric_label


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


def rows_with_runs(table: Table, frame: pd.DataFrame) -> list[tuple[int, Row]]:
    """Give the rows that have runs, with their place in the table."""
    present = set(frame["row"])
    return [(place, row) for place, row in enumerate(table.definition.rows) if row.name in present]


def columns_with_runs(table: Table, frame: pd.DataFrame) -> list[Column]:
    """Give the columns that have runs, in the table's order."""
    present = set(frame["column"])
    return [column for column in table.definition.columns if column.name in present]


def table_label(table: Table) -> str:
    """Write `Table 3` for the paper's table, and its name for a table of ours."""
    paper_table = table.definition.paper_table
    return table.name if paper_table is None else f"Table {paper_table}"


def column_suffix(column: Column) -> str:
    """Write `, 1x`, or nothing for a table's only column, which has no label."""
    return f", {column.name}" if column.label else ""


def metric_title(metric: str) -> str:
    """Write a metric as tables do, but sizes in words: `APl` is easily misread."""
    label = metric_label(metric)
    size = {"APs": "small", "APm": "medium", "APl": "large"}.get(label)
    return f"AP ({size})" if size else label


def scale_line(table: Table) -> str:
    """Say on which scale's data and backbone a figure's numbers stand."""
    return f"{table.scale} scale: {table.scale_label}"


def named_runs(runs: Iterable[str]) -> str:
    """Name runs briefly: `baseline/1x, qam/1x (seeds 0, 1, 2); bqr/1x (seed 0)`.

    Args:
        runs: folders `<scale>/<table>/<row>/<column>/seed<k>`.
    """
    seeds: dict[str, set[int]] = {}
    for run in runs:
        place = PurePosixPath(run)
        cell = f"{place.parent.parent.name}/{place.parent.name}"
        seeds.setdefault(cell, set()).add(int(place.name.removeprefix("seed")))
    cells: dict[tuple[int, ...], list[str]] = {}
    for cell, found in sorted(seeds.items()):
        cells.setdefault(tuple(sorted(found)), []).append(cell)
    return "; ".join(
        f"{', '.join(names)} (seed{'s' if len(found) > 1 else ''} {', '.join(map(str, found))})"
        for found, names in cells.items()
    )
