"""Figures of the notebooks: arrays side by side, and a bound against the number of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke

from reports.figures.figure import (
    CENTIMETRE,
    INK,
    PALETTE,
    SMALL,
    TWO_COLUMNS,
    Figure,
    finish,
    row_style,
    styled,
)

BOX, MASK, TUTOR = PALETTE[1], PALETTE[5], PALETTE[2]
"""Colours of objects' boxes, of masks, and of what is to be found among others."""

_SIDE = 3.2 * CENTIMETRE
_TITLE = 0.42 * CENTIMETRE  # a line of a title
_FILL = 0.45


@dataclass(frozen=True)
class Outlined:
    """Something marked on a picture.

    Attributes:
        box: XYXY in pixels of the picture, or None.
        mask: bool, of the whole picture at any size, or None.
        text: written at the box's upper left corner.
        color: of all three.
    """

    box: Sequence[float] | None = None
    mask: np.ndarray | None = None
    text: str = ""
    color: str = MASK


@dataclass(frozen=True)
class Picture:
    """A panel.

    Attributes:
        title: one line or several.
        pixels: uint8 (H, W, 3) RGB; or float (h, w) in [0, 1], drawn in grey from 0 (black) to 1.
        size: width and height that boxes refer to; by default those of the pixels.
        marks: drawn over it, the first in front.
    """

    title: str
    pixels: np.ndarray
    size: tuple[int, int] | None = None
    marks: Sequence[Outlined] = field(default_factory=tuple)


@styled()
def draw_panels(rows: Sequence[Sequence[Picture]]) -> Drawing:
    """Draw rows of pictures; all pictures are of one width, and a row may be shorter."""
    across = max(len(row) for row in rows)
    lines = [max(picture.title.count("\n") + 1 for picture in row) for row in rows]
    heights = [_SIDE * max(_aspect(one) for one in row) for row in rows]
    drawing = Drawing(
        figsize=(across * (_SIDE + 0.2 * CENTIMETRE), sum(heights) + (sum(lines) + 0.4) * _TITLE),
        layout="constrained",
    )
    drawing.get_layout_engine().set(w_pad=0.02, h_pad=0.02)  # type: ignore[union-attr,call-arg]
    grid = drawing.add_gridspec(len(rows), across, height_ratios=heights)
    for down, row in enumerate(rows):
        for right, picture in enumerate(row):
            _draw(drawing.add_subplot(grid[down, right]), picture)
    return drawing


def panels_figure(
    name: str, title: str, caption: str, alt: str, rows: Sequence[Sequence[Picture]]
) -> Figure:
    """Rows of pictures as a figure of the report."""
    return finish(draw_panels(rows), name=name, title=title, caption=caption, alt=alt)


def _aspect(picture: Picture) -> float:
    width, height = _size(picture)
    return height / width


def _size(picture: Picture) -> tuple[int, int]:
    return picture.size or (picture.pixels.shape[1], picture.pixels.shape[0])


def _draw(axes: Axes, picture: Picture) -> None:
    width, height = _size(picture)
    extent = (0, width, height, 0)
    grey: dict[str, Any] = (
        {"cmap": "gray", "vmin": 0, "vmax": 1} if picture.pixels.ndim == 2 else {}
    )
    axes.imshow(picture.pixels, extent=extent, interpolation="nearest", **grey)
    for mark in reversed(picture.marks):
        if mark.mask is not None:
            axes.imshow(_tint(mark.mask, mark.color), extent=extent, interpolation="nearest")
    for mark in reversed(picture.marks):
        _mark(axes, mark)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_title(picture.title, fontsize=SMALL, pad=2.5)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)


def _tint(mask: np.ndarray, color: str) -> np.ndarray:
    """The mask as float (h, w, 4): its colour where it is, transparent elsewhere; a firmer edge."""
    solid = np.pad(mask.astype(bool), 1)
    inside = solid[1:-1, 1:-1]
    core = inside & solid[:-2, 1:-1] & solid[2:, 1:-1] & solid[1:-1, :-2] & solid[1:-1, 2:]
    tinted = np.zeros((*mask.shape, 4))
    tinted[..., :3] = to_rgb(color)
    tinted[..., 3] = np.where(inside & ~core, 2 * _FILL, _FILL) * inside
    return tinted


def _mark(axes: Axes, mark: Outlined) -> None:
    if mark.box is None:
        return
    around = [Stroke(linewidth=2.4, foreground="white"), Normal()]
    x0, y0, x1, y1 = (float(side) for side in mark.box)
    axes.add_patch(
        Rectangle(
            (x0, y0),
            x1 - x0,
            y1 - y0,
            fill=False,
            edgecolor=mark.color,
            linewidth=1.2,
            path_effects=around,
        )
    )
    if mark.text:
        axes.text(
            x0 + 1,
            y0 + 1,
            mark.text,
            fontsize=SMALL - 1,
            color="white",
            ha="left",
            va="top",
            clip_on=True,
            bbox={"facecolor": mark.color, "edgecolor": "none", "pad": 0.8},
        )


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
