"""A finished figure, and how every figure looks, for print and either page colour."""

from __future__ import annotations

import contextlib
import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Drawing

from boxseg.files import atomic_path, write_text_atomically

# Stands for the colour of the text; a finished figure's SVG replaces it by the page's own.
INK = "#010203"
# Colours are Okabe and Ito's set for colour-blind readers (https://jfly.uni-koeln.de/color/),
# without its yellow, which is too pale for lines on white. No colour is alone in telling things
# apart: rows also differ in marker and line.
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
HEADING_LINE = 0.35 * CENTIMETRE

_POINTS_PER_INCH = 72
# Mean widths of letters, in points; the sample of a legend's line, and the blanks beside it.
_HEADING_LETTER = 0.58 * 8.0
_LEGEND_LETTER = 0.54 * SMALL
_SIGN_AND_GAPS = 5.5 * SMALL

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

_DOTS_PER_INCH = 200
_SHEET = re.compile(r"\s*<defs>\s*<style type=\"text/css\">.*?</style>\s*</defs>", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_PATH = re.compile(r"\bd=\"[^\"]*\"")
_LONG = re.compile(r"(\.\d\d)\d+")
_ID = re.compile(r"(\bid=\"|\bhref=\"#|url\(#)")


@dataclass(frozen=True)
class RowStyle:
    """What a row of a table looks like in every figure."""

    color: str
    marker: str
    line: Any
    fill: str = "full"


def row_style(place: int) -> RowStyle:
    """Give the style of what has no look of its own by its place; it comes again after 308."""
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


def broken_heading(text: str, width: float) -> str:
    """Break a heading for a drawing `width` inches wide, first of all before its bracket."""
    letters = int(width * _POINTS_PER_INCH / _HEADING_LETTER)
    parts = [text] if len(text) <= letters else text.replace(" (", "\n(").splitlines()
    return "\n".join(textwrap.fill(part, letters) for part in parts)


def set_heading(drawing: Drawing, text: str) -> None:
    """Write a heading at the upper left, and make the drawing taller by its further lines."""
    broken = broken_heading(text, drawing.get_figwidth())
    drawing.suptitle(broken, x=0.01, ha="left")
    drawing.set_figheight(drawing.get_figheight() + broken.count("\n") * HEADING_LINE)


def widen(axis: Axis, least: float) -> None:
    """Widen what an axis shows to a least range, so that noise does not look like a trend."""
    low, high = axis.get_view_interval()
    if (space := (least - (high - low)) / 2) > 0:
        axis.set_view_interval(low - space, high + space, ignore=True)


def legend_below(drawing: Drawing, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Put a legend under all panels; labels too long for the drawing are broken."""
    points = drawing.get_figwidth() * _POINTS_PER_INCH
    letters = int((points - _SIGN_AND_GAPS) / _LEGEND_LETTER)
    broken = [textwrap.fill(label, letters) for label in labels]
    longest = max(len(line) for label in broken for line in label.splitlines())
    columns = int(points / (_SIGN_AND_GAPS + longest * _LEGEND_LETTER))
    drawing.legend(
        handles,
        broken,
        loc="outside lower center",
        ncols=max(1, min(columns, len(labels))),
        columnspacing=1.2,
    )


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    `name` is that of its files and, in the SVG, the prefix of every identifier. `alt` says what a
    reader who cannot see the figure needs to know of it. `svg` is one `<svg>` element whose ink is
    `currentColor` on nothing; `png` is the same drawing in black on white. `drawing` is what both
    were rendered from, laid out.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: str = field(repr=False)
    png: bytes = field(repr=False)
    drawing: Drawing | None = field(default=None, repr=False, compare=False)


def finish(drawing: Drawing, *, name: str, title: str, caption: str, alt: str) -> Figure:
    """Render a drawing; the same data give the same bytes."""
    with styled(salt=name):
        # Laid out once, then fixed: both renderings are the same drawing.
        drawing.draw_without_rendering()
        drawing.set_layout_engine(None)
        svg, png = io.StringIO(), io.BytesIO()
        drawing.savefig(svg, format="svg", metadata={"Date": None})
        drawing.savefig(
            png,
            format="png",
            dpi=_DOTS_PER_INCH,
            facecolor="white",
            metadata={"Software": None},
        )
    return Figure(name, title, caption, alt, _tidy(svg.getvalue(), name), png.getvalue(), drawing)


def write_figures(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write `<name>.svg` and `<name>.png` of each; give the files in that order.

    Raises:
        InputError: the folder cannot be written.
    """
    files = []
    for figure in figures:
        svg, png = folder / f"{figure.name}.svg", folder / f"{figure.name}.png"
        write_text_atomically(svg, figure.svg)
        with atomic_path(png) as temporary:
            temporary.write_bytes(figure.png)
        files += [svg, png]
    return files


def _tidy(text: str, name: str) -> str:
    """Make matplotlib's SVG fit to stand in a page beside others, in the page's own ink.

    The XML prolog and the metadata go. The style sheet, which would hold for the whole page,
    becomes an attribute of the root. Every identifier gets `name` as its prefix. Ink becomes
    `currentColor`. Paths keep a hundredth of a point, which halves a page of curves.
    """
    text = text[text.index("<svg") :]
    text = _METADATA.sub("", _SHEET.sub("", text))
    text = text.replace("<svg ", '<svg style="stroke-linejoin: round; stroke-linecap: butt" ', 1)
    text = _PATH.sub(lambda path: _LONG.sub(r"\1", path[0]), text)
    return _ID.sub(rf"\g<1>{name}-", text).replace(INK, "currentColor")
