"""Fonts that know a label's letters.

DejaVu Sans comes with matplotlib and knows most alphabets, but no Chinese, Japanese or Korean.
Where the machine has a font that does, it is used; else the label is written in code points, so
that two names still look different.
"""

from __future__ import annotations

import functools
import logging
import unicodedata
from pathlib import Path

import matplotlib
from matplotlib.font_manager import findSystemFonts
from matplotlib.ft2font import FT2Font

logger = logging.getLogger(__name__)


@functools.cache
def readable(label: str) -> tuple[str, Path]:
    r"""A label as it can be drawn, and the file of a font that has all its letters.

    Args:
        label: any text.

    Returns:
        The label itself with the first font that knows it; or, where none does, with `\uXXXX` in
        place of what DejaVu Sans does not know, which is said once for each label.
    """
    label = unicodedata.normalize("NFC", label)
    wanted = {ord(letter) for letter in label if letter.isprintable()}
    usual = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    known = _letters(usual)
    if wanted <= known:
        return label, usual
    for file in _installed():
        if wanted <= _letters(file):
            return label, file
    written = "".join(
        letter if ord(letter) in known else letter.encode("ascii", "backslashreplace").decode()
        for letter in label
    )
    logger.warning(
        "no font here knows all letters of %r: it is drawn as %s; install one that does "
        "(fonts-noto-cjk, say)",
        label,
        written,
    )
    return written, usual


@functools.cache
def _installed() -> tuple[Path, ...]:
    """This machine's fonts, in an order that does not change."""
    return tuple(sorted(map(Path, findSystemFonts())))


@functools.cache
def _letters(file: Path) -> frozenset[int]:
    """Code points that a font has; none where it cannot be read."""
    try:
        return frozenset(FT2Font(str(file)).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
