"""The line above a drawing, broken where the drawing ends."""

from __future__ import annotations

import textwrap

from matplotlib.figure import Figure as Drawing

from reports.figures.style import CENTIMETRE

HEADING_LINE = 0.35 * CENTIMETRE
_LETTER = 0.58 * 8.0  # mean width of the heading's type, in points
_POINTS_PER_INCH = 72


def broken_heading(text: str, width: float) -> str:
    """Break a heading for a drawing `width` inches wide, first of all before its bracket."""
    letters = int(width * _POINTS_PER_INCH / _LETTER)
    parts = [text] if len(text) <= letters else text.replace(" (", "\n(").splitlines()
    return "\n".join(textwrap.fill(part, letters) for part in parts)


def set_heading(drawing: Drawing, text: str) -> None:
    """Write a heading at the upper left, and make the drawing taller by its further lines."""
    broken = broken_heading(text, drawing.get_figwidth())
    drawing.suptitle(broken, x=0.01, ha="left")
    drawing.set_figheight(drawing.get_figheight() + broken.count("\n") * HEADING_LINE)
