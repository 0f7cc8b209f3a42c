"""Which texture and which colours a background and each object get; never by their class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boxseg.data.scenes import textures
from boxseg.data.scenes.colours import Colour, Palette, apart, distance, shaded, similar
from boxseg.data.scenes.fixed_point import IntArray
from boxseg.data.scenes.stream import RandomStream
from boxseg.data.scenes.style import Family, SceneStyle
from boxseg.data.scenes.textures import TextureFunction

_DRAWS = 16  # colours tried before the best of them is taken


@dataclass(frozen=True)
class Paint:
    """A texture between two colours."""

    texture: TextureFunction
    first: Colour
    second: Colour

    def over(self, stream: RandomStream, x: IntArray, y: IntArray, reach: int) -> IntArray:
        """The paint on the pixels of a window: x (1, W), y (H, 1); result (H, W, 3)."""
        first = np.array(self.first, dtype=np.int32)
        second = np.array(self.second, dtype=np.int32)
        share = self.texture(stream, x, y, reach)[..., None]
        return first + ((second - first) * share >> 8)


def background_paint(stream: RandomStream, family: Family, style: SceneStyle) -> Paint:
    """Choose a background."""
    palette, contrast = family.background_palette, style.background_contrast
    first = palette.draw(stream)
    if stream.chance(50):
        second = similar(stream, first, (contrast // 3, contrast))
    else:
        second = palette.draw(stream)
        # Two colours far apart would drown the objects.
        while distance(first, second) > contrast:
            second = halfway(first, second)
    return Paint(stream.weighted(family.background_textures), first, second)


def object_paint(
    stream: RandomStream,
    family: Family,
    style: SceneStyle,
    ground: Paint,
    near: Colour,
    neighbours: list[Colour],
    long_enough: bool,
) -> Paint:
    """Choose an object's paint.

    Args:
        stream: random numbers.
        family: palette and textures.
        style: shares and contrasts.
        ground: the background's paint.
        near: the background's mean colour around the object.
        neighbours: colours of objects that the object may overlap.
        long_enough: whether enough of the object would show if part of it were camouflaged.
    """
    if stream.chance(style.similar_share):
        return _borrowed_paint(stream, style, ground, near, neighbours)
    first = _standing_out(stream, family.object_palette, [near, *neighbours], style.contrast)
    if not stream.chance(style.textured_share):
        return Paint(textures.gradient, shaded(first, 12), shaded(first, -12))
    texture = stream.weighted(family.object_textures)
    if stream.chance(style.camouflage_share) and long_enough:
        return Paint(texture, first, similar(stream, near, style.camouflage_contrast))
    if stream.chance(50):
        return Paint(texture, first, similar(stream, first, (35, 70)))
    return Paint(texture, first, _standing_out(stream, family.object_palette, [near, first], 40))


def _standing_out(
    stream: RandomStream, palette: Palette, others: list[Colour], contrast: int
) -> Colour:
    return apart((palette.draw(stream) for _ in range(_DRAWS)), others, contrast)


def _borrowed_paint(
    stream: RandomStream, style: SceneStyle, ground: Paint, near: Colour, neighbours: list[Colour]
) -> Paint:
    """The background's texture, half as strong, a little lighter or darker."""
    shades = (similar(stream, near, style.similar_contrast) for _ in range(_DRAWS))
    middle = apart(shades, neighbours, style.similar_contrast[0])
    return Paint(
        ground.texture,
        _moved(middle, ground.second, ground.first),
        _moved(middle, ground.first, ground.second),
    )


def halfway(first: Colour, second: Colour) -> Colour:
    """The colour half-way between two."""
    red, green, blue = ((a + b) // 2 for a, b in zip(first, second, strict=True))
    return red, green, blue


def _moved(colour: Colour, start: Colour, end: Colour) -> Colour:
    """`colour` moved by a quarter of the way from `start` to `end`."""
    red, green, blue = (
        min(255, max(0, channel + (b - a) // 4))
        for channel, a, b in zip(colour, start, end, strict=True)
    )
    return red, green, blue
