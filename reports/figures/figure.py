"""A finished figure: its text and its two renderings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure as Drawing

from boxseg.files import atomic_path, write_text_atomically
from reports.figures.style import styled
from reports.figures.svg import tidy

_DOTS_PER_INCH = 200


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    `name` is that of its files and, in the SVG, the prefix of every identifier. `alt` says what a
    reader who cannot see the figure needs to know of it. `svg` is one `<svg>` element whose ink is
    `currentColor` on nothing; `png` is the same drawing in black on white.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: str = field(repr=False)
    png: bytes = field(repr=False)


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
    return Figure(name, title, caption, alt, tidy(svg.getvalue(), name), png.getvalue())


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
