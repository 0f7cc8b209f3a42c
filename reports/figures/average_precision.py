"""Mask AP by object size, by situation, and of the parts of an ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from reports.figures.figure import Figure, finish
from reports.figures.looks import DrawnRow
from reports.figures.row_panels import RowPanel, draw_row_panels
from reports.figures.selection import (
    INTERVAL,
    columns_with_runs,
    estimates,
    rows_with_runs,
    runs_behind,
)
from reports.table import Table
from reports.wording.tables import column_suffix, metric_title, named_runs, scale_line, table_label

SIZES = {"segm/APs": "small", "segm/APm": "medium", "segm/APl": "large"}
# The situations of the paper's figure 5, which it discusses and does not measure.
SITUATIONS = {
    "segm/AP@similar-background": "similar background",
    "segm/AP@overlap-inter-class": "overlap, other class",
    "segm/AP@overlap-intra-class": "overlap, same class",
}
_ALL = {"segm/AP": "all objects"}
_ABLATIONS = ("4", "5", "7")


def size_figure(table: Table, frame: pd.DataFrame) -> Figure | None:
    """Draw mask AP of all, small, medium and large objects; None without any of the latter."""
    return _by_group(table, frame, SIZES, "size", "Mask AP by object size")


def situation_figure(table: Table, frame: pd.DataFrame) -> Figure | None:
    """Draw mask AP on the splits of the paper's figure 5; None where they were not evaluated."""
    return _by_group(table, frame, SITUATIONS, "situation", "Mask AP by situation")


def ablation_figure(table: Table, frame: pd.DataFrame) -> Figure | None:
    """Draw a bar per row, a panel per column and metric; None for tables that are no ablation."""
    if table.definition.paper_table not in _ABLATIONS:
        return None
    frame = runs_behind(table, frame)
    columns = columns_with_runs(table, frame)
    panels = [
        RowPanel(
            metric_title(metric),
            column_suffix(column),
            estimates(table, frame, column.name, metric),
        )
        for column in columns
        for metric in table.definition.metrics
    ]
    title = f"{table_label(table)}: {table.definition.title}"
    return _figure(table, frame, panels, f"ablation-{table.name}", title, bars=True, per_line=3)


def _by_group(
    table: Table, frame: pd.DataFrame, groups: Mapping[str, str], kind: str, what: str
) -> Figure | None:
    frame = runs_behind(table, frame)
    measured = frame.dropna(subset="value")["metric"].unique()
    shown = {metric: label for metric, label in groups.items() if metric in measured}
    if not shown:
        return None
    columns = columns_with_runs(table, frame)
    panels = [
        RowPanel(
            label,
            column_suffix(column),
            estimates(table, frame, column.name, metric),
        )
        for column in columns
        for metric, label in (_ALL | shown).items()
    ]
    title = f"{table_label(table)}: {what[0].lower()}{what[1:]}"
    per_line = 1 + len(shown)
    return _figure(table, frame, panels, f"{kind}-{table.name}", title, per_line=per_line)


def _figure(
    table: Table,
    frame: pd.DataFrame,
    panels: Sequence[RowPanel],
    name: str,
    title: str,
    *,
    bars: bool = False,
    per_line: int,
) -> Figure | None:
    if not any(panel.has_data for panel in panels):
        return None
    rows = rows_with_runs(table, frame)
    drawing = draw_row_panels(
        f"{title} ({scale_line(table)})",
        rows,
        panels,
        axis="mask AP (%)",
        bars=bars,
        per_line=per_line,
    )
    caption = (
        f"{title}, {scale_line(table)}. {'Bars' if bars else 'Points'} and numbers are means over "
        f"seeds, ticks below them single seeds, lines the {INTERVAL}; a single run has none and is "
        f"marked. Runs: {named_runs(frame['run'])}."
    )
    return finish(drawing, name=name, title=title, caption=caption, alt=_alt(rows, panels, title))


def _alt(rows: Sequence[DrawnRow], panels: Sequence[RowPanel], title: str) -> str:
    parts = []
    for panel in panels:
        found = [(row.label, panel.estimates.get(row.name)) for row in rows]
        values = "; ".join(f"{label} {one.mean:.1f}" for label, one in found if one is not None)
        if values:
            parts.append(f"{panel.title}{panel.column}: {values}.")
    return f"{title}, means over seeds in per cent. {' '.join(parts)}"
