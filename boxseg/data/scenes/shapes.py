"""The object categories: which points of an object's own frame belong to the object.

A shape function gets `u` and `v`, int32 arrays of one shape with coordinates in units of
1/`EXTENT` of half the object's length and half its breadth, and a `trait` in [0, 256) that
varies the shape within its category; it returns a boolean array of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from boxseg.data.scenes.fixed_point import (
    EXTENT,
    SINE_SHIFT,
    BoolArray,
    IntArray,
    cosine,
    sine,
)

ShapeFunction = Callable[[IntArray, IntArray, int], BoolArray]
Vertices = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Category:
    """One class of objects.

    Attributes:
        name: as in the annotations.
        covers: the shape.
        min_aspect: least breadth in per cent of the length.
        max_aspect: greatest breadth in per cent of the length.
    """

    name: str
    covers: ShapeFunction
    min_aspect: int
    max_aspect: int


def in_polygon(u: IntArray, v: IntArray, vertices: Vertices) -> BoolArray:
    """Points inside a polygon by the even-odd rule, exactly."""
    inside = np.zeros(u.shape, dtype=np.bool_)
    for (u1, v1), (u2, v2) in zip(vertices, [*vertices[1:], vertices[0]], strict=True):
        if v1 == v2:
            continue
        if v1 > v2:
            u1, v1, u2, v2 = u2, v2, u1, v1
        spans = (v1 <= v) & (v < v2)
        inside ^= spans & ((u - u1) * (v2 - v1) < (v - v1) * (u2 - u1))
    return inside


def in_disc(u: IntArray, v: IntArray, centre: tuple[int, int], radius: int) -> BoolArray:
    """Points inside a circle."""
    du, dv = u - centre[0], v - centre[1]
    return du * du + dv * dv <= radius * radius


def _polar(degrees: int, radius: int) -> tuple[int, int]:
    return radius * cosine(degrees) >> SINE_SHIFT, radius * sine(degrees) >> SINE_SHIFT


def disc(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """An ellipse."""
    return in_disc(u, v, (0, 0), EXTENT)


def triangle(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """A triangle whose apex leans to either side."""
    apex = (trait - 128) * 3
    return in_polygon(u, v, [(apex, -EXTENT), (EXTENT, EXTENT), (-EXTENT, EXTENT)])


def box(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """A rectangle, or a bar where the category's aspect makes it thin."""
    return (np.abs(u) <= EXTENT) & (np.abs(v) <= EXTENT)


def star(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """Five points."""
    radii = (EXTENT, 400 + trait // 4)
    return in_polygon(u, v, [_polar(36 * corner, radii[corner % 2]) for corner in range(10)])


def ring(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """A disc with a round hole."""
    hole = 530 + trait // 2
    return in_disc(u, v, (0, 0), EXTENT) & ~in_disc(u, v, (0, 0), hole)


def crescent(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """A disc out of which another disc has bitten."""
    bite = (0, 480 + trait // 2)
    return in_disc(u, v, (0, 0), EXTENT) & ~in_disc(u, v, bite, 820)


def cross(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """Four equal arms."""
    arm = 270 + trait // 2
    along, across = np.abs(u), np.abs(v)
    return (np.maximum(along, across) <= EXTENT) & (np.minimum(along, across) <= arm)


def heart(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """Two lobes over a point."""
    lobes = in_disc(u, v, (-490, -430), 534) | in_disc(u, v, (490, -430), 534)
    return lobes | in_polygon(
        u, v, [(0, EXTENT), (-910, -99), (-490, -430), (0, -219), (490, -430), (910, -99)]
    )


def arrow(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """A shaft and a head."""
    shaft, neck = 270 + trait // 2, trait
    return in_polygon(
        u,
        v,
        [
            (-EXTENT, -shaft),
            (neck, -shaft),
            (neck, -EXTENT),
            (EXTENT, 0),
            (neck, EXTENT),
            (neck, shaft),
            (-EXTENT, shaft),
        ],
    )


def hexagon(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """Six sides."""
    return in_polygon(u, v, [_polar(60 * corner, EXTENT) for corner in range(6)])


def frame(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """A rectangle with a rectangular hole."""
    edge = np.maximum(np.abs(u), np.abs(v))
    return (edge <= EXTENT) & (edge > 520 + trait // 2)


def zigzag(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """A band that goes up and down twice."""
    half_band = 360 + trait // 4
    swing = np.abs((u + EXTENT) % EXTENT - EXTENT // 2) * 2 - EXTENT // 2
    middle = swing * (EXTENT - half_band) * 2 // EXTENT
    return (np.abs(u) <= EXTENT) & (np.abs(v - middle) <= half_band)


def drop(u: IntArray, v: IntArray, trait: int) -> BoolArray:
    """A disc drawn out to a point."""
    tip = in_polygon(u, v, [(EXTENT, 0), (-88, 570), (-88, -570)])
    return tip | in_disc(u, v, (-380, 0), 640)


SCENES_CATEGORIES = (
    Category("disc", disc, 65, 100),
    Category("triangle", triangle, 70, 100),
    Category("box", box, 60, 100),
    Category("star", star, 85, 100),
    Category("ring", ring, 70, 100),
    Category("crescent", crescent, 85, 100),
    Category("cross", cross, 80, 100),
    Category("bar", box, 16, 26),
)

SCENES_B_CATEGORIES = (
    Category("heart", heart, 80, 100),
    Category("arrow", arrow, 55, 80),
    Category("hexagon", hexagon, 75, 100),
    Category("frame", frame, 60, 100),
    Category("zigzag", zigzag, 50, 70),
    Category("drop", drop, 85, 100),
)
