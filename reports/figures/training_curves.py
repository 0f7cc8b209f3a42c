"""Training curves of one column of a table: losses and the IoU of pseudo masks, from the logs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from boxseg.errors import InputError
from reports.figures.figure import (
    CENTIMETRE,
    INK,
    SMALL,
    TWO_COLUMNS,
    Figure,
    finish,
    legend_below,
    row_style,
    set_heading,
    styled,
    widen,
)
from reports.figures.selection import DrawnRow, columns_with_runs, rows_with_runs, runs_behind
from reports.table import Table
from reports.wording.tables import column_suffix, named_runs, scale_line, table_label

# What is drawn first and last, and what it is called; other losses go by their own name.
_FIRST = {
    "total_loss": "total loss",
    "loss_fcos_cls": "classification loss",
    "loss_fcos_loc": "box regression loss",
    "loss_fcos_ctr": "centre-ness loss",
    "loss_prj": "projection loss",
    "loss_pairwise": "pairwise loss",
    "pairwise_raw": "pairwise loss before warm-up",
}
_LAST = {
    "pseudo_iou": "IoU of pseudo masks",
    "segm/AP": "mask AP (%)",
    "bbox/AP": "box AP (%)",
}
_OTHER = {
    "loss_levelset": "level-set loss",
    "loss_mask": "mask loss",
    "loss_mask_affinity": "mask affinity loss",
}
# The factor from 0 to 1 that a loss is multiplied by while it is warmed up.
_WARM_UPS = {
    "loss_pairwise": "pairwise_warmup",
    "loss_mask": "pseudo_mask_warmup",
    "loss_pseudo": "pseudo_ramp",
}
LOG_FILES = ("metrics.jsonl", "evaluations.jsonl")
"""Lines of numbers by iteration: of steps, and of evaluations between them where there are some."""
MOST_POINTS = 40
_LEAST_RANGES = {"pseudo_iou": 0.1, "segm/AP": 4.0, "bbox/AP": 4.0}
_ACROSS = 3
_FEW_POINTS = 12

# Logs of a row: one per seed.
Logs = Mapping[str, Sequence[pd.DataFrame]]


def training_figures(table: Table, frame: pd.DataFrame, runs: Path) -> list[Figure]:
    """Draw a figure per column whose runs have training logs."""
    frame = runs_behind(table, frame)
    figures = []
    for column in columns_with_runs(table, frame):
        of_column = frame[frame["column"] == column.name]
        logs: dict[str, list[pd.DataFrame]] = {}
        logged = []
        for row, run in of_column[["row", "run"]].drop_duplicates().itertuples(index=False):
            log = read_log(runs / run)
            if log is not None:
                logs.setdefault(row, []).append(log)
                logged.append(run)
        if not quantities(logs):
            continue
        rows = [row for row in rows_with_runs(table, of_column) if row.name in logs]
        title = f"{table_label(table)}: training{column_suffix(column)}"
        caption = (
            f"{title}, {scale_line(table)}. Thin lines are seeds, thick ones their mean; every "
            "point is the mean over a window of consecutive logged steps (at most "
            f"{MOST_POINTS} windows). A shaded span is the warm-up of that loss, whose "
            "factor grows from 0 to 1 in it. "
            f"Runs: {named_runs(logged)}."
        )
        figures.append(
            finish(
                draw_training(f"{title} ({scale_line(table)})", rows, logs),
                name=f"training-{table.name}-{column.name}",
                title=title,
                caption=caption,
                alt=_alt(title, rows, logs),
            )
        )
    return figures


def runs_figure(runs: Mapping[str, Path]) -> Figure | None:
    """Draw the logs of single runs, of no table, over one another; None where none has any.

    Args:
        runs: folders by label.
    """
    logs = {label: [log] for label, run in runs.items() if (log := read_log(run)) is not None}
    shown = quantities(logs)
    if not shown:
        return None
    rows = [
        DrawnRow(label, label, row_style(place))
        for place, label in enumerate(runs)
        if label in logs
    ]
    without = [label for label in runs if label not in logs]
    title = "Training"
    caption = (
        f"Losses{_also(shown)} by iteration; every point is the mean over a window of consecutive "
        f"logged steps (at most {MOST_POINTS} windows). A shaded span is the warm-up of that loss, "
        "whose factor grows from 0 to 1 in it."
        f"{' Without a log: ' + ', '.join(without) + '.' if without else ''}"
    )
    return finish(
        draw_training(title, rows, logs),
        name="training",
        title=title,
        caption=caption,
        alt=_alt(title, rows, logs),
    )


def _also(shown: Mapping[str, str]) -> str:
    """Name what is drawn beside losses."""
    return "".join(f", {label}" for name, label in shown.items() if name in _LAST)


def quantities(logs: Logs) -> dict[str, str]:
    """Give what is drawn, with its label: losses, and the pseudo masks' IoU where logged."""
    logged = {
        str(name)
        for of_row in logs.values()
        for log in of_row
        for name in log.dropna(how="all", axis=1)
    }
    losses = sorted(name for name in logged if name.startswith("loss_") and name not in _FIRST)
    others = {
        name: _OTHER.get(name, f"{name.removeprefix('loss_').replace('_', ' ')} loss")
        for name in losses
    }
    return {name: label for name, label in (_FIRST | others | _LAST).items() if name in logged}


def read_log(run: Path) -> pd.DataFrame | None:
    """Read the numbers that a run logged, a line per logged step, indexed by `iteration`.

    Torn and foreign lines are passed over; of a step that was logged twice, the later line counts.
    None where the run has no log or the log no line.

    Raises:
        InputError: a file is there and cannot be read.
    """
    steps: dict[int, dict[str, float]] = {}
    for name in LOG_FILES:
        for iteration, numbers in _steps(run / name).items():
            steps.setdefault(iteration, {}).update(numbers)
    if not steps:
        return None
    frame = pd.DataFrame.from_dict(steps, orient="index", dtype="float64").sort_index()
    frame.index.name = "iteration"
    return frame


def _steps(file: Path) -> dict[int, dict[str, float]]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}.") from error
    steps: dict[int, dict[str, float]] = {}
    for line in lines:
        try:
            step = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(step, dict) and type(step.get("iteration")) is int:
            iteration = step.pop("iteration")
            steps[iteration] = {k: float(v) for k, v in step.items() if type(v) in (int, float)}
    return steps


def averaged(log: pd.DataFrame, most: int = MOST_POINTS) -> pd.DataFrame:
    """Average over windows of equally many logged steps, so that at most `most` points remain.

    Each point's iteration is the mean of its window's. What was not logged in a window is NaN.
    """
    window = -(-len(log) // most)
    frame = log.reset_index()
    return frame.groupby(frame.index // window).mean().set_index("iteration")


def warm_up_end(log: pd.DataFrame, factor: str) -> int | None:
    """Give the first logged iteration at which a loss's factor is 1.

    None if the factor was not logged, is 1 from the start, or never gets there.
    """
    if factor not in log:
        return None
    values = log[factor].dropna()
    done = values.index[values >= 1]
    if values.empty or len(done) == 0 or values.iloc[0] >= 1:
        return None
    return int(done[0])


@styled()
def draw_training(heading: str, rows: Sequence[DrawnRow], logs: Logs) -> Drawing:
    """Draw a panel per quantity, rows over one another.

    Args:
        heading: above all panels.
        rows: in the order of the legend.
        logs: as read, by the row's name.
    """
    shown = quantities(logs)
    lines = math.ceil(len(shown) / _ACROSS)
    across = min(len(shown), _ACROSS)
    drawing = Drawing(
        figsize=(TWO_COLUMNS, (lines * 3.9 + 1.2 + 0.35 * len(rows)) * CENTIMETRE),
        layout="constrained",
    )
    set_heading(drawing, heading)
    grid = drawing.subplots(lines, across, squeeze=False, sharex=True)
    smooth = {row: [averaged(log) for log in of_row] for row, of_row in logs.items()}
    for place, axes in enumerate(grid.flat):
        if place >= len(shown):
            axes.remove()
            continue
        name, label = list(shown.items())[place]
        axes.set_title(label)
        for row in rows:
            _draw_row(axes, row, [log[name] for log in smooth[row.name] if name in log])
        _mark_warm_ups(axes, name, [log for of_row in logs.values() for log in of_row])
        if place + across >= len(shown):
            axes.set_xlabel("iteration")
            axes.tick_params(labelbottom=True)
        if name in _LEAST_RANGES:
            widen(axes.yaxis, _LEAST_RANGES[name])
        axes.locator_params(nbins=5)
    handles = [
        Line2D([], [], color=style.color, linestyle=style.line)
        for style in (row.style for row in rows)
    ]
    legend_below(drawing, handles, [row.label for row in rows])
    return drawing


def _draw_row(axes: Axes, row: DrawnRow, seeds: Sequence[pd.Series]) -> None:
    if not seeds:
        return
    style = row.style
    if len(seeds) > 1:
        for seed in seeds:
            axes.plot(seed.index, seed, color=style.color, linewidth=0.5, alpha=0.45)
    mean = seed_mean(seeds)
    # A line through a few points would hide how few they are.
    marker = style.marker if len(mean) <= _FEW_POINTS else ""
    axes.plot(
        mean.index,
        mean,
        color=style.color,
        linestyle=style.line,
        marker=marker,
        label=row.name,
    )


def seed_mean(seeds: Sequence[pd.Series]) -> pd.Series:
    """Average over seeds where all of them have a value."""
    return pd.concat(list(seeds), axis=1).dropna().mean(axis=1)


def _mark_warm_ups(axes: Axes, name: str, logs: Sequence[pd.DataFrame]) -> None:
    factor = _WARM_UPS.get(name)
    if factor is None:
        return
    ends = sorted({end for log in logs if (end := warm_up_end(log, factor)) is not None})
    if not ends:
        return
    axes.axvspan(0, ends[-1], color=INK, alpha=0.07, linewidth=0)
    for end in ends:
        axes.axvline(end, color=INK, linewidth=0.7, alpha=0.6, linestyle=(0, (2, 2)))
    axes.text(
        0.98,
        0.97,
        f"warm-up until {', '.join(map(str, ends))}",
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=SMALL,
    )


def _alt(title: str, rows: Sequence[DrawnRow], logs: Logs) -> str:
    parts = []
    for name, label in quantities(logs).items():
        if name not in ("total_loss", *_LAST):
            continue
        values = []
        for row in rows:
            seeds = [averaged(log)[name].dropna() for log in logs[row.name] if name in log]
            seeds = [seed for seed in seeds if len(seed)]
            if seeds:
                first = sum(seed.iloc[0] for seed in seeds) / len(seeds)
                last = sum(seed.iloc[-1] for seed in seeds) / len(seeds)
                values.append(f"{row.label} from {first:.2f} to {last:.2f} (n={len(seeds)})")
        parts.append(f"{label}: {'; '.join(values)}.")
    return f"{title}; from the first to the last window of the log. {' '.join(parts)}"
