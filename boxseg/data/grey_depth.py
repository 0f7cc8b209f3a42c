"""How many bits the greys of a folder's pictures use: those of one camera are brightened alike."""

from __future__ import annotations

import contextlib
import functools
import os
from pathlib import Path

import numpy as np
from PIL import Image

LOOKED_AT = 256
"""Pictures of a folder that are looked at, spread over it; more would take too long to decode."""

DEEP_SUFFIXES = frozenset((".j2k", ".jp2", ".pgm", ".png", ".pnm", ".tif", ".tiff"))
"""Suffixes, in lower case, of the formats that can hold greys of more than 8 bits."""


def bits_of_folder(folder: Path) -> int:
    """The bits that the brightest grey of a folder's pictures of whole greys needs, at least 8.

    A camera of 12 bits writes files of 16. What it photographed in the dark must not become as
    bright as what it photographed by day, so the depth is the folder's and not each picture's.
    """
    return _bits(str(folder), folder.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _bits(folder: str, changed: int) -> int:
    """Of a folder as it was when it changed last."""
    with os.scandir(folder) as listing:
        files = sorted(
            entry.path for entry in listing if Path(entry.name).suffix.lower() in DEEP_SUFFIXES
        )
    step = max(len(files) / LOOKED_AT, 1.0)
    chosen = [files[int(index * step)] for index in range(min(len(files), LOOKED_AT))]
    return max(map(_bits_of_file, chosen), default=8)


def _bits_of_file(file: str) -> int:
    with contextlib.suppress(Exception), Image.open(file) as picture:  # whoever needs it will say
        if picture.mode.startswith("I"):
            return max(8, int(np.asarray(picture).max()).bit_length())
    return 8
