"""From masks to the outlines that most annotation tools draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from contourpy import contour_generator

LEAST_AREA = 1.0
"""Square pixels of an outline; smaller ones are corners of single pixels."""


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outer outlines of a mask's parts, the largest first.

    They run half-way between the centres of pixels inside and outside. Holes are not told: neither
    YOLO's format nor LabelMe's has any.

    Args:
        mask: bool (H, W).

    Returns:
        Each float64 (n, 2), x and y in pixels, pixel column c covering c to c + 1, not closed.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    top, left = rows[0], columns[0]
    inside = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    padded = np.pad(inside, 1).astype(np.float64)
    lines = [np.asarray(line) for line in contour_generator(z=padded).lines(0.5)]
    # A vertex of the padded grid is the centre of a pixel: half a pixel on, and one back.
    move = np.array([left - 0.5, top - 0.5])
    parts = [(line[:-1] + move, _area(line)) for line in lines]
    # Around what is above the level contourpy walks one way, around holes the other.
    outer = [(part, area) for part, area in parts if area >= LEAST_AREA]
    outer.sort(key=lambda one: -one[1])
    return [_without_straight_points(part) for part, _ in outer]


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """One outline through all of an object's parts, each reached by a bridge without width.

    Args:
        parts: at least one, (n, 2) each.
    """
    whole = parts[0]
    for part in parts[1:]:
        distances = np.linalg.norm(whole[:, None] - part[None], axis=2)
        here, there = np.unravel_index(distances.argmin(), distances.shape)
        around = np.concatenate([part[there:], part[: there + 1]])
        whole = np.concatenate([whole[: here + 1], around, whole[here:]])
    return whole


def _area(line: np.ndarray) -> float:
    """Signed area within a closed line (shoelace formula)."""
    x, y = line.T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def _without_straight_points(line: np.ndarray) -> np.ndarray:
    """Leave out the points that lie on the way between their neighbours."""
    before, after = line - np.roll(line, 1, axis=0), np.roll(line, -1, axis=0) - line
    bends = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9
    return line[bends]
