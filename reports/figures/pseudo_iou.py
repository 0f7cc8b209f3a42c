"""Mask AP against the IoU of the pseudo masks it was learnt from: a point per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from reports.figures.figure import (
    CENTIMETRE,
    ONE_COLUMN,
    TWO_COLUMNS,
    Figure,
    RowStyle,
    finish,
    legend_below,
    set_heading,
    styled,
)
from reports.figures.selection import DrawnRow, columns_with_runs, rows_with_runs, runs_behind
from reports.table import Table
from reports.trivial_masks import BOX, ELLIPSE, GRABCUT, LABELS, values_of
from reports.wording.tables import column_suffix, named_runs, scale_line, table_label

IOU, AP = "pseudo/IoU-all", "segm/AP"
_DASHES = {BOX: (0.0, (1.0, 2.0)), ELLIPSE: (0.0, (4.0, 2.0)), GRABCUT: (0.0, (6.0, 2.0, 1.0, 2.0))}
_ENOUGH_TO_CORRELATE = 5
_MARGIN = 0.12  # beside the points, as a share of their range
_LEAST_RANGE = 4.0  # of an axis, in per cent: less would make noise look like a trend


def pseudo_iou_figure(table: Table, frame: pd.DataFrame) -> Figure | None:
    """Draw the runs that have both numbers; None if there is none."""
    frame = runs_behind(table, frame)
    points = points_of(frame)
    if points.empty:
        return None
    rows = rows_with_runs(table, points)
    trivial = values_of(frame)
    panels = {
        column_suffix(column).removeprefix(", "): points[points["column"] == column.name]
        for column in columns_with_runs(table, points)
    }
    title = f"{table_label(table)}: mask AP against the IoU of pseudo masks"
    without = [row.label for row in rows_with_runs(table, frame) if row not in rows]
    caption = (
        f"{title}, {scale_line(table)}. A point is one run ({len(points)} in all): mean IoU of its "
        "pseudo masks with the true masks over all training objects, 0 where an object has "
        "none, and mask AP on the evaluated split. A colour and a shape are a "
        f"method's.{_lines_said(trivial)}"
        f"{' Without pseudo masks: ' + ', '.join(without) + '.' if without else ''} "
        f"Runs: {named_runs(points['run'])}."
    )
    return finish(
        draw_points(f"{title} ({scale_line(table)})", rows, panels, trivial),
        name=f"pseudo-iou-{table.name}",
        title=title,
        caption=caption,
        alt=_alt(title, rows, panels) + _lines_said(trivial),
    )


def points_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Give a line per run that has both numbers: row, column, method, run, IoU and AP."""
    keys = ["row", "column", "method", "run"]
    wide = frame[frame["metric"].isin([IOU, AP])].pivot(
        index=keys, columns="metric", values="value"
    )
    wide = wide.reindex(columns=[IOU, AP]).dropna()
    return wide[wide[IOU] > 0].reset_index()  # 0: of a teacher that makes no pseudo masks


@styled()
def draw_points(
    heading: str,
    rows: Sequence[DrawnRow],
    panels: Mapping[str, pd.DataFrame],
    trivial: Mapping[str, float],
) -> Drawing:
    """Draw a panel per column, its points as `points_of` gives them.

    Lines stand at the IoUs of masks that a box alone gives, by their metrics.
    """
    width = ONE_COLUMN if len(panels) == 1 else TWO_COLUMNS
    drawing = Drawing(figsize=(width, (6.6 + 0.4 * len(rows)) * CENTIMETRE), layout="constrained")
    set_heading(drawing, heading)
    grid = drawing.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)
    for axes, (label, points) in zip(grid.flat, panels.items(), strict=True):
        axes.set_title(label)
        axes.set_xlabel("IoU of pseudo masks (%)")
        for row in rows:
            of_row = points[points["row"] == row.name]
            if not of_row.empty:
                axes.plot(of_row[IOU], of_row[AP], **_marking(row.style))
        for metric, value in trivial.items():
            axes.axvline(value, color="0.4", linestyle=_DASHES[metric], linewidth=1, zorder=0)
        axes.margins(_MARGIN)
        axes.locator_params(nbins=6)
    points = pd.concat(list(panels.values()))
    # The panels share their axes, so those of one stand for all.
    if not trivial and (limits := _least_limits(points[IOU])) is not None:
        grid[0, 0].set_xlim(limits)
    if (limits := _least_limits(points[AP])) is not None:
        grid[0, 0].set_ylim(limits)
    grid[0, 0].set_ylabel("mask AP (%)")
    handles = [Line2D([], [], **_marking(row.style)) for row in rows]
    handles += [Line2D([], [], color="0.4", linestyle=_DASHES[metric]) for metric in trivial]
    labels = [row.label for row in rows] + [LABELS[metric] for metric in trivial]
    legend_below(drawing, handles, labels)
    return drawing


def _least_limits(values: pd.Series) -> tuple[float, float] | None:
    """Give the limits of the least range around values; None where they need a larger one."""
    low, high = float(values.min()), float(values.max())
    if (high - low) * (1 + 2 * _MARGIN) >= _LEAST_RANGE:
        return None
    space = (_LEAST_RANGE - (high - low)) / 2
    return low - space, high + space


def _marking(style: RowStyle) -> dict[str, Any]:
    return {
        "color": style.color,
        "marker": style.marker,
        "fillstyle": style.fill,
        "markerfacecoloralt": "none",
        "linestyle": "none",
        "markersize": 5.5,
        "markeredgewidth": 1.0,
    }


def _lines_said(trivial: Mapping[str, float]) -> str:
    """Say what the lines are, if there are any."""
    if not trivial:
        return ""
    values = ", ".join(f"{LABELS[metric]} {value:.1f}" for metric, value in trivial.items())
    return f" Lines: IoU of masks that a box alone gives, {values}."


def _alt(title: str, rows: Sequence[DrawnRow], panels: Mapping[str, pd.DataFrame]) -> str:
    parts = []
    for label, points in panels.items():
        values = [
            f"{row.label} IoU {of_row[IOU].mean():.1f}, AP {of_row[AP].mean():.1f} "
            f"(n={len(of_row)})"
            for row in rows
            if not (of_row := points[points["row"] == row.name]).empty
        ]
        of = f"{label}, means" if label else "Means"
        text = f"{of} over seeds in per cent: {'; '.join(values)}."
        varied = points[IOU].nunique() > 1 and points[AP].nunique() > 1
        if len(points) >= _ENOUGH_TO_CORRELATE and varied:
            correlation = points[IOU].corr(points[AP], method="spearman")
            text += f" Rank correlation over the {len(points)} runs: {correlation:.2f}."
        parts.append(text)
    return f"{title}. {' '.join(parts)}"
