"""Arrays drawn side by side: images, masks and boxes, each with a title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke

from reports.figures.figure import Figure, finish
from reports.figures.style import CENTIMETRE, PALETTE, SMALL, styled

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
