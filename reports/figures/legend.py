"""A legend below the panels, in as many columns as its labels leave room for."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure as Drawing

from reports.figures.style import SMALL

_POINTS_PER_INCH = 72
_SIGN_AND_GAPS = 5.5 * SMALL  # the sample of the line, and the blanks beside it
_LETTER = 0.54 * SMALL  # mean width


def legend_below(drawing: Drawing, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Put a legend under all panels; labels too long for the drawing are broken."""
    points = drawing.get_figwidth() * _POINTS_PER_INCH
    letters = int((points - _SIGN_AND_GAPS) / _LETTER)
    broken = [textwrap.fill(label, letters) for label in labels]
    longest = max(len(line) for label in broken for line in label.splitlines())
    columns = int(points / (_SIGN_AND_GAPS + longest * _LETTER))
    drawing.legend(
        handles,
        broken,
        loc="outside lower center",
        ncols=max(1, min(columns, len(labels))),
        columnspacing=1.2,
    )
