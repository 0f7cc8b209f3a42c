"""A finished figure: its text and its two renderings."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure as Drawing

from boxseg.files import atomic_path, write_text_atomically
from reports.figures.style import INK, styled

_DOTS_PER_INCH = 200
_SHEET = re.compile(r"\s*<defs>\s*<style type=\"text/css\">.*?</style>\s*</defs>", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_PATH = re.compile(r"\bd=\"[^\"]*\"")
_LONG = re.compile(r"(\.\d\d)\d+")
_ID = re.compile(r"(\bid=\"|\bhref=\"#|url\(#)")


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
