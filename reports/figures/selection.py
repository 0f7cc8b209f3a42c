"""What a figure of a table shows: each method in its one look, and the runs behind its numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from reports.definition import Column, Overrides, TableDefinition
from reports.figures.figure import FILLS, LINES, MARKERS, PALETTE, RowStyle, row_style
from reports.statistics import Interval, mean, t_interval
from reports.table import Table

INTERVAL = "95% interval of the mean over seeds (Student's t)"

_NO_METHOD = ("backbone", "schedule")
"""What rows of one method may differ in."""
_OWN_PARTS: Mapping[str, Mapping[str, str]] = {
    "boxseg": {"pseudo_labels": "qam", "copy_paste": "peer"},
    "boxteacher": {"pseudo_labels": "bpma"},
}
"""Parts that a method has anyway, where rows name them (`experiments/conf/method/`)."""

# Colour and marker, by their place in the style; methods of one table differ in the first as far as
# there are colours.
_LOOKS: Mapping[tuple[str, ...], tuple[int, int]] = {
    ("boxinst",): (0, 0),
    ("boxteacher",): (1, 1),
    ("boxseg", "copy_paste=none"): (2, 2),
    ("boxseg",): (3, 3),
    ("sim",): (4, 4),
    ("condinst",): (5, 5),
    ("mask-rcnn",): (6, 6),
    ("box2mask-c",): (2, 7),
    ("box2mask-t",): (6, 8),
    ("boxseg-t",): (5, 9),
    ("discobox", "losses=discobox-correspondence"): (0, 10),
    ("boxinst", "copy_paste=peer"): (5, 8),
    ("sim", "copy_paste=peer"): (1, 6),
    ("sim", "copy_paste=peer", "pseudo_labels=qam"): (2, 9),
    ("boxteacher", "copy_paste=ordinary"): (5, 7),
    ("boxteacher", "pseudo_labels=bpma-unscored", "rescoring=none"): (1, 5),
    ("boxseg", "copy_paste=none", "pseudo_labels=bqr"): (6, 9),
    ("boxseg", "copy_paste=none", "pseudo_labels=bqr-qmf"): (5, 4),
    ("boxseg", "copy_paste=random-random"): (6, 4),
    ("boxseg", "copy_paste=quality-random"): (4, 7),
    ("boxseg", "pseudo_labels=qam-fixed-k"): (6, 10),
}


@dataclass(frozen=True)
class DrawnRow:
    """What is drawn as one: its name among the data, what it is called, and its look."""

    name: str
    label: str
    style: RowStyle


def drawn_rows(definition: TableDefinition) -> list[DrawnRow]:
    """Give the rows of a table, in its order.

    Rows of one method, on other backbones say, share colour and marker and differ in line and
    filling. A method that no table of the paper has takes its look from its row's place.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    rows = []
    for place, row in enumerate(definition.rows):
        method = method_of(definition.overrides | row.overrides)
        rows.append(DrawnRow(row.name, row.label, _style(method, place, seen[method])))
        seen[method] += 1
    return rows


def method_of(overrides: Overrides) -> tuple[str, ...]:
    """Tell a method by the words that choose it and its parts; backbone and length are left out."""
    method = str(overrides.get("method", ""))
    own = _OWN_PARTS.get(method, {})
    return (
        method,
        *sorted(
            f"{key}={value}"
            for key, value in overrides.items()
            if key not in (*_NO_METHOD, "method") and own.get(key) != value
        ),
    )


def _style(method: tuple[str, ...], place: int, before: int) -> RowStyle:
    if method not in _LOOKS:
        return row_style(len(_LOOKS) + place)
    color, marker = _LOOKS[method]
    return RowStyle(
        PALETTE[color],
        MARKERS[marker],
        LINES[(marker + before) % len(LINES)],
        FILLS[before % len(FILLS)],
    )


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
