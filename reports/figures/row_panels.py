"""Panels with a line per row of a table: a bar or a point, its 95% interval, its seeds."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.looks import DrawnRow
from reports.figures.selection import Estimate
from reports.figures.style import (
    CENTIMETRE,
    INK,
    ONE_COLUMN,
    SMALL,
    TWO_COLUMNS,
    RowStyle,
    set_heading,
    styled,
)

_LABEL_LETTERS = 30
_LINE_HEIGHT = 0.52 * CENTIMETRE
_SECOND_LINE = 0.28 * CENTIMETRE
_AROUND = 1.35 * CENTIMETRE  # a panel's title, ticks and axis label
_PANELS_PER_LINE = 4
_TICKS = 4  # at most so many steps of a horizontal axis
_LEAST_RANGE = 4.0  # of a horizontal axis, in points of AP


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
