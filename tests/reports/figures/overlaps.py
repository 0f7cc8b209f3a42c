"""Texts of a drawing that lie on one another or on a marker, as the renderer places them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SLACK = 0.5  # pixels that boxes of letters may share: they are larger than the ink


def overlaps(drawing: Drawing) -> list[str]:
    """Name every pair of texts, or text and marker, that share ground."""
    renderer = FigureCanvasAgg(drawing).get_renderer()
    boxes = [
        (text.get_text(), text.get_window_extent(renderer).padded(-SLACK))
        for text in texts(drawing)
        if text.get_visible() and text.get_text().strip()
    ]
    found = [
        f"{one!r} on {other!r}"
        for (one, box), (other, beside) in itertools.combinations(boxes, 2)
        if Bbox.intersection(box, beside) is not None
    ]
    for marker in markers(drawing):
        found += [f"{text!r} on a marker" for text, box in boxes if Bbox.intersection(box, marker)]
    return found


def texts(drawing: Drawing) -> Iterator[Text]:
    """All that is written: by the drawing itself, in its legends, and of its axes."""
    yield from drawing.texts
    for legend in drawing.legends:
        yield from legend.get_texts()
    for axes in drawing.axes:
        yield from (child for child in axes.get_children() if isinstance(child, Text))
        for axis in (axes.xaxis, axes.yaxis):
            yield axis.label
            yield from tick_labels(axis)


def tick_labels(axis: Axis) -> Iterator[Text]:
    """Those within the view; matplotlib draws no others."""
    low, high = sorted(axis.get_view_interval())
    for tick in axis.get_major_ticks():
        if low <= tick.get_loc() <= high and tick.label1.get_visible():
            yield tick.label1


def markers(drawing: Drawing) -> Iterator[Bbox]:
    """The square around each marker."""
    for axes in drawing.axes:
        yield from markers_of(axes, drawing.dpi / 72)


def markers_of(axes: Axes, pixels: float) -> Iterator[Bbox]:
    for line in axes.lines:
        if line.get_marker() in ("", "None", None):
            continue
        half = line.get_markersize() * pixels / 2
        wide = 0.0 if line.get_marker() == "|" else half
        for x, y in line.get_transform().transform(np.asarray(line.get_xydata(), dtype=float)):
            if np.isfinite([x, y]).all():
                yield Bbox([[x - wide, y - half], [x + wide, y + half]])
