"""Where objects lie and which pixels of theirs are visible; colours come later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boxseg.data.scenes.fixed_point import (
    EXTENT,
    SIDE,
    SINE_SHIFT,
    BoolArray,
    cosine,
    pixel_centres,
    rotated,
    sine,
)
from boxseg.data.scenes.shapes import Category
from boxseg.data.scenes.stream import RandomStream
from boxseg.data.scenes.style import SceneStyle

_TRIES = 40


@dataclass(frozen=True)
class Pose:
    """Where an object lies, in scene units and degrees."""

    x: int
    y: int
    half_length: int
    half_breadth: int
    angle: int
    trait: int

    def reach(self) -> tuple[int, int]:
        """Half the width and half the height of the turned rectangle around the object."""
        cos, sin = abs(cosine(self.angle)), abs(sine(self.angle))
        return (
            (self.half_length * cos + self.half_breadth * sin) >> SINE_SHIFT,
            (self.half_length * sin + self.half_breadth * cos) >> SINE_SHIFT,
        )


@dataclass(frozen=True)
class PlacedObject:
    """An object of a scene.

    Attributes:
        category: index into the family's categories.
        pose: where it lies.
        window: rows and columns of the image around it.
        visible: its visible pixels within the window.
    """

    category: int
    pose: Pose
    window: tuple[slice, slice]
    visible: BoolArray

    def box(self) -> tuple[int, int, int, int]:
        """Tight box of the visible pixels: x, y, width, height in pixels of the image."""
        rows = np.flatnonzero(self.visible.any(axis=1))
        columns = np.flatnonzero(self.visible.any(axis=0))
        return (
            self.window[1].start + int(columns[0]),
            self.window[0].start + int(rows[0]),
            int(columns[-1] - columns[0]) + 1,
            int(rows[-1] - rows[0]) + 1,
        )


class Layout:
    """Objects placed one behind the other, the foremost first.

    An object once placed keeps its visible pixels, since whatever follows goes behind it.

    Attributes:
        objects: placed so far, front to back.
    """

    def __init__(self, categories: tuple[Category, ...], style: SceneStyle, size: int) -> None:
        self._categories = categories
        self._style = style
        self._size = size
        self._taken = np.zeros((size, size), dtype=np.bool_)
        self.objects: list[PlacedObject] = []

    def place(self, stream: RandomStream, category: int) -> bool:
        """Place an object somewhere; False if no place is found where enough of it shows."""
        for _ in range(_TRIES):
            shortest, longest = stream.weighted(self._style.lengths)
            length = stream.between(shortest * SIDE // 100, longest * SIDE // 100)
            margin = _margin(length)
            x, y = (stream.between(margin, SIDE - margin) for _ in range(2))
            found = self._behind(category, self._pose(stream, category, x, y, length))
            if found is not None:
                self._add(found)
                return True
        return False

    def place_couple(self, stream: RandomStream, front: int, back: int) -> bool:
        """Place two strongly overlapping objects; False if the second finds no place."""
        if not self.place(stream, front):
            return False
        first = self.objects[-1]
        for _ in range(_TRIES):
            length = 2 * first.pose.half_length * stream.between(80, 130) // 100
            length = min(length, SIDE * 3 // 5)
            margin = _margin(length)
            away = first.pose.half_length * stream.between(40, 110) // 100
            direction = stream.below(360)
            x = first.pose.x + (away * cosine(direction) >> SINE_SHIFT)
            y = first.pose.y + (away * sine(direction) >> SINE_SHIFT)
            x, y = (min(max(centre, margin), SIDE - margin) for centre in (x, y))
            found = self._behind(back, self._pose(stream, back, x, y, length))
            if found is not None and overlaps(first, found, self._style.couple_iou):
                self._add(found)
                return True
        return False

    def _pose(self, stream: RandomStream, category: int, x: int, y: int, length: int) -> Pose:
        kind = self._categories[category]
        aspect = stream.between(kind.min_aspect, kind.max_aspect)
        return Pose(
            x=x,
            y=y,
            half_length=length // 2,
            half_breadth=length * aspect // 200,
            angle=stream.below(360),
            trait=stream.below(256),
        )

    def _behind(self, category: int, pose: Pose) -> PlacedObject | None:
        """The object behind all others, if enough of it shows."""
        size = self._size
        reach_x, reach_y = pose.reach()
        left, right = _pixels(pose.x, reach_x, size)
        top, bottom = _pixels(pose.y, reach_y, size)
        u, v = rotated(
            pixel_centres(left, right, size)[None, :] - np.int32(pose.x),
            pixel_centres(top, bottom, size)[:, None] - np.int32(pose.y),
            pose.angle,
        )
        whole = self._categories[category].covers(
            u * EXTENT // pose.half_length, v * EXTENT // pose.half_breadth, pose.trait
        )
        window = (slice(max(top, 0), min(bottom, size)), slice(max(left, 0), min(right, size)))
        inside = whole[
            window[0].start - top : window[0].stop - top,
            window[1].start - left : window[1].stop - left,
        ]
        visible = inside & ~self._taken[window]
        area = np.count_nonzero(visible)
        if area * 1000 < self._style.min_area_permille * size * size:
            return None
        if area * 100 < self._style.min_visible * np.count_nonzero(whole):
            return None
        return PlacedObject(category, pose, window, visible)

    def _add(self, placed: PlacedObject) -> None:
        self._taken[placed.window] |= placed.visible
        self.objects.append(placed)


def _margin(length: int) -> int:
    """How near the image's edge a centre may be: an eighth of the length may lie beyond it."""
    return length * 3 // 8


def overlaps(first: PlacedObject, second: PlacedObject, percent: int) -> bool:
    """Whether the IoU of the two visible boxes is at least `percent`."""
    x1, y1, width1, height1 = first.box()
    x2, y2, width2, height2 = second.box()
    width = min(x1 + width1, x2 + width2) - max(x1, x2)
    height = min(y1 + height1, y2 + height2) - max(y1, y2)
    shared = max(width, 0) * max(height, 0)
    return shared * 100 >= percent * (width1 * height1 + width2 * height2 - shared)


def _pixels(centre: int, reach: int, size: int) -> tuple[int, int]:
    """First pixel and one past the last of an interval, in an image `size` pixels wide."""
    return (centre - reach) * size // SIDE, (centre + reach) * size // SIDE + 1


def draw_layout(
    stream: RandomStream, categories: tuple[Category, ...], style: SceneStyle, size: int
) -> list[PlacedObject]:
    """Place the objects of one scene, front to back; as many as the style asks for, or nearly."""
    while True:
        layout = Layout(categories, style, size)
        wanted = stream.between(style.min_objects, style.max_objects)
        if style.couples == "none":
            for _ in range(wanted):
                layout.place(stream, stream.below(len(categories)))
            complete = True
        else:
            complete = _place_couples(stream, layout, len(categories), style, wanted)
        if complete and len(layout.objects) >= style.min_objects:
            return layout.objects


def _place_couples(
    stream: RandomStream, layout: Layout, categories: int, style: SceneStyle, wanted: int
) -> bool:
    """Place couples and, where the number asked for is odd, one object more.

    No class occurs in two couples, so that an image with couples of different classes has no two
    objects of one class, and one with couples of one class has no chance couple of another kind
    more often than need be.
    """
    classes = stream.sample(range(categories), min(categories, 2 * ((wanted + 1) // 2)))
    for couple in range(wanted // 2):
        front, other = classes[2 * couple : 2 * couple + 2]
        back = front if style.couples == "same class" else other
        if not layout.place_couple(stream, front, back):
            return False
    if wanted % 2:
        layout.place(stream, classes[-1])
    return True
