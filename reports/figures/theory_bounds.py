"""A bound against the number of candidates: how often it holds, and how tight it is."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from reports.figures.figure import Figure, finish
from reports.figures.style import CENTIMETRE, INK, TWO_COLUMNS, row_style, styled


@styled()
def draw_bounds(rows: pd.DataFrame, delta: float) -> Drawing:
    """Draw the share of trials within the bound, the mean error / bound, and both of them.

    Args:
        rows: one per K and tau, with the columns `candidates`, `threshold`, `share_within`,
            `tightness`, `mean_error` and `mean_bound`.
        delta: the bound promises a share of 1 - delta.
    """
    drawing = Drawing(figsize=(TWO_COLUMNS, 6.5 * CENTIMETRE), layout="constrained")
    share, tightness, values = drawing.subplots(1, 3)
    for place, (threshold, part) in enumerate(rows.groupby("threshold")):
        style = row_style(place)
        line = {"color": style.color, "linestyle": style.line, "markersize": 3}
        for axes, column in ((share, "share_within"), (tightness, "tightness")):
            axes.plot(
                part["candidates"],
                part[column],
                marker=style.marker,
                label=f"τ = {threshold:g}",
                **line,
            )
        values.plot(part["candidates"], part["mean_bound"], marker=style.marker, **line)
        values.plot(part["candidates"], part["mean_error"], marker=style.marker, alpha=0.5, **line)
    share.axhline(1 - delta, color=INK, linewidth=0.8)
    share.annotate(f"promised: {1 - delta:g}", (1, 1 - delta), (2, 3), textcoords="offset points")
    share.set(ylim=(min(0.9, float(rows["share_within"].min())) - 0.02, 1.01))
    share.set_title("trials within the bound")
    tightness.set(ylim=(0, None))
    tightness.set_title("mean of error / bound")
    values.set(yscale="log")
    values.set_title("mean bound, mean error (pale)")
    for axes in (share, tightness, values):
        axes.set_xlabel("candidates K")
    tightness.legend(loc="best")
    return drawing


def bounds_figure(name: str, title: str, rows: pd.DataFrame, delta: float) -> Figure:
    """The same as a figure of the report."""
    trials = int(rows["trials"].max())
    least = float(rows["share_within"].min())
    return finish(
        draw_bounds(rows, delta),
        name=name,
        title=title,
        caption=f"{trials:,} simulated trials for each K and τ: the share in which the error is "
        f"within the bound (at least {100 * least:.2f}%), how much of the bound the error takes, "
        "and both.",
        alt=f"The bound holds in {100 * least:.2f}% of the trials or more; its tightness lies "
        f"between {rows['tightness'].min():.2f} and {rows['tightness'].max():.2f}.",
    )
