"""How every figure looks: colours, markers, lines and sizes, for print and for either page colour.

Colours are Okabe and Ito's set for colour-blind readers (https://jfly.uni-koeln.de/color/), without
its yellow, which is too pale for lines on white. No colour is alone in telling things apart: rows
also differ in marker and line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib.style
from matplotlib import rc_context

# Stands for the colour of the text; `svg.tidy` replaces it by the page's own.
INK = "#010203"
PALETTE = (INK, "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
# Solid, dashed, dotted, dash-dotted; in line widths. Their number and that of the colours have no
# common divisor, so 28 rows go by before a pair comes again.
LINES: tuple[Any, ...] = ("-", (0, (4.5, 1.6)), (0, (1.2, 1.2)), (0, (5, 1.3, 1.2, 1.3)))
FILLS = ("full", "none", "left", "bottom", "right", "top")

CENTIMETRE = 1 / 2.54
ONE_COLUMN = 8.5 * CENTIMETRE  # widths of a printed column and page, in inches
TWO_COLUMNS = 17.0 * CENTIMETRE
SMALL = 7.0  # the smallest type, in points

_PARAMETERS: dict[str, Any] = {
    "font.family": "sans-serif",
    # DejaVu Sans comes with matplotlib; where a page lacks it, Verdana is about as wide.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.title_fontsize": SMALL,
    "figure.titlesize": 8.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.0,
    "svg.fonttype": "none",
    "figure.dpi": 200,
}


@dataclass(frozen=True)
class RowStyle:
    """What a row of a table looks like in every figure."""

    color: str
    marker: str
    line: Any


def row_style(place: int) -> RowStyle:
    """Give the style of a table's row by its place, from 0; it comes again after 28 rows."""
    return RowStyle(
        PALETTE[place % len(PALETTE)],
        MARKERS[place % len(MARKERS)],
        LINES[place % len(LINES)],
    )


@contextlib.contextmanager
def styled(salt: str = "boxseg") -> Iterator[None]:
    """Draw in this style, whatever the caller's settings are, and leave those as they were.

    Args:
        salt: of the identifiers that matplotlib makes up for the parts of an SVG.
    """
    parameters: Any = {**_PARAMETERS, "svg.hashsalt": salt}  # its keys are of a literal type
    with matplotlib.style.context("default"), rc_context(parameters):
        yield
