"""Does the quality score measure quality? The bins that runs recorded against the true IoU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from boxseg.errors import InputError
from reports.figures.figure import (
    CENTIMETRE,
    INK,
    ONE_COLUMN,
    Figure,
    finish,
    legend_below,
    set_heading,
    styled,
)
from reports.figures.selection import DrawnRow, columns_with_runs, rows_with_runs, runs_behind
from reports.result_file import (
    RANK_CORRELATION,
    RESULT_FILE,
    Bins,
    RefusedResult,
    calibration_error,
    load_result,
    pooled,
)
from reports.table import Table
from reports.wording.tables import column_suffix, named_runs, scale_line, table_label


def read_calibration(run: Path) -> Bins | None:
    """Read a run's bins; None where the run has none or they hold no object.

    Raises:
        InputError: the run's result can no longer be read.
    """
    try:
        bins = load_result(run / RESULT_FILE).calibration
    except RefusedResult as refusal:
        raise InputError(f"{run / RESULT_FILE}: {refusal}; report again.") from None
    return bins if any(one.objects for one in bins) else None


@dataclass(frozen=True)
class RowCalibration:
    """A row's bins, per seed and pooled, and the mean rank correlation (in [-1, 1]) of its runs."""

    row: DrawnRow
    seeds: tuple[Bins, ...]
    rank_correlation: float | None

    @property
    def bins(self) -> Bins:
        """Give the bins of all seeds together, those with objects."""
        return pooled(self.seeds)

    @property
    def summary(self) -> str:
        """Write expected calibration error and rank correlation."""
        known = self.rank_correlation
        rank = "no rank corr." if known is None else f"rank corr. {known:.2f}"
        return f"ECE {calibration_error(self.bins):.3f}, {rank}"


def calibration_figures(table: Table, frame: pd.DataFrame, runs: Path) -> list[Figure]:
    """Draw a figure per column whose runs recorded their calibration."""
    frame = runs_behind(table, frame)
    figures = []
    for column in columns_with_runs(table, frame):
        of_column = frame[frame["column"] == column.name]
        rows, used = _gather(table, of_column, runs)
        if not rows:
            continue
        title = f"{table_label(table)}: quality score against true IoU{column_suffix(column)}"
        caption = (
            f"{title}, {scale_line(table)}. Pseudo masks in bins of their quality score; a point "
            "is a bin's mean quality and mean IoU with the true masks, all seeds pooled (thin "
            "lines: single seeds). On the diagonal the score is the IoU. ECE: expected "
            "calibration error, the mean distance from the diagonal over objects; rank "
            "corr.: Spearman's correlation of score and IoU, mean over seeds. Below: how the "
            "objects spread over the bins. "
            f"Runs: {named_runs(used)}."
        )
        alt = "; ".join(
            f"{one.row.label} ({sum(b.objects for b in one.bins)} objects, n={len(one.seeds)}) "
            f"{one.summary}, mean IoU {_ends(one.bins)}"
            for one in rows
        )
        figures.append(
            finish(
                draw_calibration(f"{title} ({scale_line(table)})", rows),
                name=f"calibration-{table.name}-{column.name}",
                title=title,
                caption=caption,
                alt=f"{title}. {alt}.",
            )
        )
    return figures


def _gather(
    table: Table, frame: pd.DataFrame, runs: Path
) -> tuple[list[RowCalibration], list[str]]:
    """Read the rows' bins; give the runs that have some, too."""
    rows: list[RowCalibration] = []
    used: list[str] = []
    for row in rows_with_runs(table, frame):
        of_row = frame[frame["row"] == row.name]
        read = {run: read_calibration(runs / run) for run in of_row["run"].unique()}
        bins = {run: found for run, found in read.items() if found is not None}
        if bins:
            with_bins = of_row[of_row["run"].isin(bins)]
            ranks = with_bins["value"][with_bins["metric"] == RANK_CORRELATION]
            mean = None if ranks.isna().all() else float(ranks.mean()) / 100
            rows.append(RowCalibration(row, tuple(bins.values()), mean))
            used += bins
    return rows, used


@styled()
def draw_calibration(heading: str, rows: Sequence[RowCalibration]) -> Drawing:
    """Draw the reliability diagram above the share of objects per bin."""
    drawing = Drawing(
        figsize=(ONE_COLUMN, (10.4 + 0.42 * len(rows)) * CENTIMETRE), layout="constrained"
    )
    set_heading(drawing, heading)
    above, below = drawing.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    above.plot([0, 1], [0, 1], color=INK, linewidth=0.7, alpha=0.5, linestyle=(0, (1, 2)))
    for one in rows:
        _draw_row(above, below, one)
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="true IoU")
    below.set(xlabel="quality score", ylabel="objects (%)")
    below.set_ylim(bottom=0)
    below.locator_params(axis="y", nbins=4)
    handles = []
    for one in rows:
        style = one.row.style
        handles.append(Line2D([], [], color=style.color, linestyle=style.line, marker=style.marker))
    legend_below(drawing, handles, [f"{one.row.label}: {one.summary}" for one in rows])
    return drawing


def _draw_row(above: Axes, below: Axes, one: RowCalibration) -> None:
    style = one.row.style
    if len(one.seeds) > 1:
        for seed in one.seeds:
            full = [bin_ for bin_ in seed if bin_.objects]
            above.plot(
                [bin_.mean_quality or 0 for bin_ in full],
                [bin_.mean_iou or 0 for bin_ in full],
                color=style.color,
                linewidth=0.5,
                alpha=0.45,
            )
    bins = one.bins
    above.plot(
        [bin_.mean_quality or 0 for bin_ in bins],
        [bin_.mean_iou or 0 for bin_ in bins],
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        clip_on=False,
        label=one.row.name,
    )
    objects = sum(bin_.objects for bin_ in bins)
    below.plot(
        [(bin_.quality_from + bin_.quality_to) / 2 for bin_ in bins],
        [100 * bin_.objects / objects for bin_ in bins],
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        markersize=3,
        label=one.row.name,
    )


def _ends(bins: Bins) -> str:
    low, high = bins[0], bins[-1]
    if low == high:
        return f"{low.mean_iou:.2f} in its only bin"
    return f"{low.mean_iou:.2f} in the lowest and {high.mean_iou:.2f} in the highest bin"
