"""Mask AP by size, situation and part of an ablation, in panels with a line per row of a table."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.figure import (
    CENTIMETRE,
    INK,
    ONE_COLUMN,
    SMALL,
    TWO_COLUMNS,
    Figure,
    RowStyle,
    finish,
    set_heading,
    styled,
)
from reports.figures.selection import (
    INTERVAL,
    DrawnRow,
    Estimate,
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

_LABEL_LETTERS = 30
_LINE_HEIGHT = 0.52 * CENTIMETRE
_SECOND_LINE = 0.28 * CENTIMETRE
_AROUND = 1.35 * CENTIMETRE  # a panel's title, ticks and axis label
_PANELS_PER_LINE = 4
_TICKS = 4  # at most so many steps of a horizontal axis
_LEAST_RANGE = 4.0  # of a horizontal axis, in points of AP


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


@dataclass(frozen=True)
class RowPanel:
    """A panel: its title, what follows it of the column, and what was measured of each row."""

    title: str
    column: str
    estimates: Mapping[str, Estimate | None]

    @property
    def has_data(self) -> bool:
        """Tell whether any row was measured."""
        return any(self.estimates.values())


@styled()
def draw_row_panels(
    heading: str,
    rows: Sequence[DrawnRow],
    panels: Sequence[RowPanel],
    *,
    axis: str,
    bars: bool,
    per_line: int = _PANELS_PER_LINE,
) -> Drawing:
    """Draw panels side by side; rows are named at the left and valued at the right of each.

    Args:
        heading: above all panels.
        rows: top to bottom.
        panels: in reading order; at least one.
        axis: label of the horizontal axis, in per cent.
        bars: from zero; otherwise points on an axis that need not start there.
        per_line: most panels beside each other.
    """
    across = min(len(panels), per_line)
    lines = -(-len(panels) // across)
    labels = [textwrap.fill(row.label, _LABEL_LETTERS) for row in rows]
    height = sum(_LINE_HEIGHT + label.count("\n") * _SECOND_LINE for label in labels)
    drawing = Drawing(
        figsize=(
            ONE_COLUMN if across == 1 else TWO_COLUMNS,
            lines * (height + _AROUND + _SECOND_LINE) + 0.6 * CENTIMETRE,
        ),
        layout="constrained",
    )
    set_heading(drawing, heading)
    grid = drawing.subplots(lines, across, squeeze=False, sharey=True)
    for place, axes in enumerate(grid.flat):
        if place >= len(panels):
            axes.remove()
            continue
        panel = panels[place]
        # Where panels are narrow, the column has a line of its own.
        narrow = across >= _PANELS_PER_LINE
        column = panel.column.replace(", ", "\n") if narrow else panel.column
        axes.set_title(f"{panel.title}{column}")
        for line, row in enumerate(rows):
            found = panel.estimates.get(row.name)
            if found is not None:
                _draw_estimate(axes, line, found, row.style, bars)
            _write_value(axes, line, found)
        measured = [one for one in panel.estimates.values() if one is not None]
        _set_limits(axes, measured, bars, not narrow)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        if place + across >= len(panels):  # nothing below
            axes.set_xlabel(axis)
    grid[0, 0].set_yticks(range(len(rows)), labels)
    return drawing


def _draw_estimate(axes: Axes, line: int, found: Estimate, style: RowStyle, bars: bool) -> None:
    if bars:
        axes.barh(line, found.mean, height=0.5, color=style.color, alpha=0.45)
    else:
        axes.plot(
            found.mean,
            line,
            style.marker,
            color=style.color,
            fillstyle=style.fill,
            markersize=5,
            clip_on=False,
        )
    if found.interval is not None:
        axes.errorbar(
            found.mean,
            line,
            xerr=[[found.mean - found.interval.low], [found.interval.high - found.mean]],
            fmt="none",
            ecolor=INK if bars else style.color,
            elinewidth=1.0,
            capsize=2.5,
        )
        seeds: dict[str, Any] = {
            "color": INK,
            "alpha": 0.7,
            "markersize": 3.2,
            "markeredgewidth": 0.6,
        }
        axes.plot(found.values, [line + 0.34] * found.n, "|", **seeds)


def _write_value(axes: Axes, line: int, found: Estimate | None) -> None:
    text = "no value"
    if found is not None:
        text = f"{found.mean:.1f}" + (" (1 run)" if found.n == 1 else "")
    axes.text(1.02, line, text, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)


def _set_limits(axes: Axes, found: Sequence[Estimate], bars: bool, wide: bool) -> None:
    ends = [value for one in found for value in one.values]
    ends += [end for one in found if (i := one.interval) for end in (i.low, i.high)]
    if not ends:
        axes.set_xticks([])
        return
    low, high = max(0.0, min(ends)), min(100.0, max(ends))
    # Differences that are small must not look large for want of others.
    space = max(0.08 * (high - low), (_LEAST_RANGE - (high - low)) / 2)
    axes.set_xlim(0 if bars else max(0.0, low - space), min(100.0, high + space))
    axes.locator_params(axis="x", nbins=_TICKS if wide else _TICKS - 1)
