"""Geometry in whole numbers.

A scene is `SIDE` units wide and high whatever its size in pixels; an object's own frame reaches
from -`EXTENT` to `EXTENT` on both axes; angles are whole degrees; sines are in 4096ths. Everything
fits in 32 bits, and since nothing is rounded by a floating-point unit, nothing depends on one.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

SIDE = 1 << 16
EXTENT = 1 << 10
SINE_SHIFT = 12

# No entry lies within 1e-4 of a rounding tie, a thousand million times what libraries differ by.
_SINES = [round(math.sin(math.radians(degree)) * (1 << SINE_SHIFT)) for degree in range(360)]


def sine(degrees: int) -> int:
    """4096 times the sine."""
    return _SINES[degrees % 360]


def cosine(degrees: int) -> int:
    """4096 times the cosine."""
    return _SINES[(degrees + 90) % 360]


def pixel_centres(start: int, stop: int, size: int) -> IntArray:
    """Where the centres of pixels start...stop-1 lie, in scene units.

    Args:
        start: first pixel; may be negative (left of the image).
        stop: one past the last pixel; may exceed `size`.
        size: the image's width or height in pixels.

    Returns:
        Shape (stop - start,), ascending.
    """
    return ((2 * np.arange(start, stop, dtype=np.int64) + 1) * SIDE // (2 * size)).astype(np.int32)


def rotated(x: IntArray, y: IntArray, degrees: int) -> tuple[IntArray, IntArray]:
    """Coordinates in a frame turned by `degrees`.

    Args:
        x: shape (1, W), scene units.
        y: shape (H, 1), scene units.

    Returns:
        Two arrays (H, W) in scene units.
    """
    cos, sin = cosine(degrees), sine(degrees)
    return (x * cos + y * sin) >> SINE_SHIFT, (y * cos - x * sin) >> SINE_SHIFT
