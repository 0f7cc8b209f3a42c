"""Boxes and polygons: around points, turned with a picture, cut at its border."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from boxseg.data.foreign.annotated import Box, Size

Point = tuple[float, float]

QUARTER_TURNS: dict[int, Callable[[float, float, Size], Point]] = {
    5: lambda x, y, size: (y, x),
    6: lambda x, y, size: (size[1] - y, x),
    7: lambda x, y, size: (size[1] - y, size[0] - x),
    8: lambda x, y, size: (y, size[0] - x),
}
"""By EXIF orientation: where a point of the stored pixels, of that width and height, goes."""


def around(points: Iterable[Point]) -> Box:
    """The smallest box around at least one point."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def corners(box: Box) -> list[Point]:
    """The four corners of a box, in turn."""
    x0, y0, x1, y1 = box
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def rotated(points: Iterable[Point], pivot: Point, degrees: float) -> list[Point]:
    """Points turned about `pivot`, clockwise as seen with y pointing down."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x0, y0 = pivot
    return [
        (x0 + (x - x0) * cosine - (y - y0) * sine, y0 + (x - x0) * sine + (y - y0) * cosine)
        for x, y in points
    ]


def around_ellipse(centre: Point, radii: Point, degrees: float) -> Box:
    """The smallest box around an ellipse that is turned about its centre."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across = math.hypot(radii[0] * cosine, radii[1] * sine)
    down = math.hypot(radii[0] * sine, radii[1] * cosine)
    x, y = centre
    return x - across, y - down, x + across, y + down


def flat(points: Iterable[Point]) -> list[float]:
    """Points as COCO writes a polygon: x, y, x, y, ..."""
    return [value for point in points for value in point]


def points_of(polygon: Sequence[float]) -> list[Point]:
    """The other way round."""
    return list(zip(polygon[::2], polygon[1::2], strict=True))


def clipped(points: list[Point], width: float, height: float) -> list[Point]:
    """A polygon cut at the border of its picture (Sutherland and Hodgman 1974); may be empty.

    A polygon that leaves the picture and returns comes out in one piece, whose parts are joined
    along the border.
    """
    for axis, limit, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        kept: list[Point] = []
        for before, point in zip(points[-1:] + points[:-1], points, strict=True):
            inside = sign * (point[axis] - limit) >= 0
            if inside != (sign * (before[axis] - limit) >= 0):
                share = (limit - before[axis]) / (point[axis] - before[axis])
                other = before[1 - axis] + share * (point[1 - axis] - before[1 - axis])
                kept.append((limit, other) if axis == 0 else (other, limit))
            if inside:
                kept.append(point)
        points = kept
    return points
