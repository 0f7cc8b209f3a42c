"""Textures: how far, from 0 to 256, each pixel lies between a first and a second colour.

A texture function gets the stream, the pixel centres `x` (1, W) and `y` (H, 1) relative to the
middle of what it covers, and `reach`, half the width of that, all in scene units; it returns int32
of shape (H, W). How many words it draws from the stream does not depend on the size in pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from boxseg.data.scenes.fixed_point import IntArray, rotated
from boxseg.data.scenes.stream import RandomStream

TextureFunction = Callable[[RandomStream, IntArray, IntArray, int], IntArray]

FULL = 256
_LATTICE = 32  # nodes a side; the noise repeats after as many cells


def value_noise(stream: RandomStream, x: IntArray, y: IntArray, cell: int) -> IntArray:
    """Random values on a lattice `cell` units wide, smoothly interpolated; 0 to 255."""
    nodes = stream.octets(_LATTICE * _LATTICE).reshape(_LATTICE, _LATTICE)
    column, right = _lattice_position(x.reshape(-1), cell)
    row, down = _lattice_position(y.reshape(-1), cell)
    rows = nodes[:, column] * (FULL - right) + nodes[:, (column + 1) % _LATTICE] * right >> 8
    down = down[:, None]
    return (rows[row] * (FULL - down) + rows[(row + 1) % _LATTICE] * down) >> 8


def _lattice_position(coordinate: IntArray, cell: int) -> tuple[IntArray, IntArray]:
    """Index of the node below, and the smoothstep weight (0 to 256) of the node above."""
    node = coordinate // cell
    step = (coordinate - node * cell) * FULL // cell
    return node % _LATTICE, step * step * (3 * FULL - 2 * step) >> 16


def fractal_noise(stream: RandomStream, x: IntArray, y: IntArray, cell: int) -> IntArray:
    """Three octaves of value noise, stretched to use the whole of 0 to 256."""
    total = 4 * value_noise(stream, x, y, cell)
    total += 2 * value_noise(stream, x, y, cell // 2)
    total += 2 * value_noise(stream, x, y, cell // 4)
    return np.clip((total >> 2) - FULL // 2, 0, FULL)


def clouds(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """Fractal noise."""
    return fractal_noise(stream, x, y, reach * stream.between(40, 100) // 100)


def grain(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """Fine noise, the same fineness in a small object and in a large one."""
    return fractal_noise(stream, x, y, stream.between(3000, 6000))


def blotches(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """Patches with sharp edges over about a third of the area."""
    noise = value_noise(stream, x, y, max(3000, reach * stream.between(45, 80) // 100))
    return np.clip((noise - 150) * 12, 0, FULL)


def gradient(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """From one colour to the other across the whole."""
    along, _ = rotated(x, y, stream.below(360))
    return np.clip(FULL // 2 + along * (FULL // 2) // reach, 0, FULL)


def stripes(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """Straight two-tone stripes."""
    along, _ = rotated(x, y, stream.below(180))
    return _bands(along, _period(stream, reach))


def waves(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """Stripes bent to and fro."""
    along, across = rotated(x, y, stream.below(180))
    period = _period(stream, reach)
    bend = np.abs(across % (3 * period) * 2 - 3 * period) // 3
    return _bands(along + bend, period)


def checks(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """A chessboard."""
    along, across = rotated(x, y, stream.below(90))
    period = _period(stream, reach) * 3 // 2
    first, second = _bands(along, period), _bands(across, period)
    return (first * (FULL - second) + second * (FULL - first)) >> 8


def spots(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """Round dots in rows."""
    along, across = rotated(x, y, stream.below(90))
    period = _period(stream, reach)
    along = (along % period * FULL // period) - FULL // 2
    across = (across % period * FULL // period) - FULL // 2
    radius = stream.between(60, 90)
    return np.clip((radius * radius - along * along - across * across) // 8, 0, FULL)


def ripples(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """Eight-sided bands round a point."""
    along, across = rotated(
        x + stream.between(-reach, reach), y + stream.between(-reach, reach), stream.below(90)
    )
    along, across = np.abs(along), np.abs(across)
    outward = np.maximum(np.maximum(along, across), (along + across) * 181 >> 8)
    return _bands(outward, _period(stream, reach))


def bricks(stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
    """Courses of blocks with joints in the second colour."""
    along, across = rotated(x, y, stream.below(180))
    height = _period(stream, reach)
    course = across // height
    along = (along + course % 2 * height) % (2 * height)
    across = across - course * height
    joint = height // 4
    return np.where((along < joint) | (across < joint), np.int32(FULL), np.int32(0))


def _period(stream: RandomStream, reach: int) -> int:
    return max(4000, reach * stream.between(30, 70) // 100)


def _bands(phase: IntArray, period: int) -> IntArray:
    """0 and 256 by turns with soft edges, half a period each."""
    ramp = np.abs(phase % period * (2 * FULL) // period - FULL)
    return np.clip((ramp - FULL // 2) * 6 + FULL // 2, 0, FULL)
