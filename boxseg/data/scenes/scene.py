"""One scene: an image and the objects visible in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boxseg.data.scenes import textures
from boxseg.data.scenes.colours import Colour, Palette
from boxseg.data.scenes.fixed_point import SIDE, IntArray, pixel_centres, rotated
from boxseg.data.scenes.layout import PlacedObject, draw_layout
from boxseg.data.scenes.paint import Paint, background_paint, halfway, object_paint
from boxseg.data.scenes.stream import RandomStream
from boxseg.data.scenes.style import Family, SceneStyle


@dataclass(frozen=True)
class Scene:
    """An image and its objects.

    Attributes:
        image: uint8 (size, size, 3), RGB.
        objects: front to back; their visible pixels are disjoint.
    """

    image: npt.NDArray[np.uint8]
    objects: list[PlacedObject]


def draw_scene(stream: RandomStream, family: Family, style: SceneStyle, size: int) -> Scene:
    """Draw a scene of `size` by `size` pixels, using up `stream`."""
    objects = draw_layout(stream, family.categories, style, size)
    centres = pixel_centres(0, size, size)
    x, y = centres[None, :], centres[:, None]
    ground = background_paint(stream, family, style)
    background = _draw_background(stream, family.object_palette, style, ground, x, y)
    canvas = background.copy()
    painted: list[tuple[PlacedObject, Colour]] = []
    for placed in objects:
        paint = object_paint(
            stream,
            family,
            style,
            ground,
            near=_mean_colour(background[placed.window]),
            neighbours=[colour for other, colour in painted if _may_touch(placed, other)],
            long_enough=placed.pose.half_length * 200 >= style.camouflage_length * SIDE,
        )
        _draw_object(stream, canvas, x, y, placed, paint)
        painted.append((placed, paint.first))
    return Scene(_photograph(stream, canvas, style.pixel_noise), objects)


def _draw_background(
    stream: RandomStream,
    palette: Palette,
    style: SceneStyle,
    ground: Paint,
    x: IntArray,
    y: IntArray,
) -> IntArray:
    """The ground, roughened, with things on it that are no objects: (size, size, 3)."""
    canvas = ground.over(stream, x - SIDE // 2, y - SIDE // 2, SIDE * 2 // 5)
    roughness = stream.between(4, 30)
    grain = textures.grain(stream, x, y, SIDE) - textures.FULL // 2
    canvas += (grain * roughness // textures.FULL)[..., None]
    for _ in range(stream.below(style.max_distractors + 1)):
        colour = halfway(palette.draw(stream), ground.first)
        along, across = rotated(x - stream.below(SIDE), y - stream.below(SIDE), stream.below(360))
        if stream.chance(50):
            # A blob, 1/40 to 1/20 of the image wide; shifted so that squares fit in 32 bits.
            radius = stream.between(SIDE // 80, SIDE // 40) >> 4
            covered = (along >> 4) ** 2 * 2 // 3 + (across >> 4) ** 2 <= radius * radius
        else:
            # A crooked line, 1/60 of the image thick.
            bend = np.abs(along % 16384 - 8192) >> stream.between(1, 4)
            covered = np.abs(across - bend) < SIDE // 120
            covered &= np.abs(along) < stream.between(6000, 20000)
        canvas[covered] = colour
    return canvas


def _draw_object(
    stream: RandomStream,
    canvas: IntArray,
    x: IntArray,
    y: IntArray,
    placed: PlacedObject,
    paint: Paint,
) -> None:
    rows, columns = placed.window
    pixels = paint.over(
        stream,
        x[:, columns] - placed.pose.x,
        y[rows] - placed.pose.y,
        max(placed.pose.reach()),
    )
    canvas[placed.window][placed.visible] = pixels[placed.visible]


def _mean_colour(pixels: IntArray) -> Colour:
    red, green, blue = (int(total) for total in pixels.sum(axis=(0, 1), dtype=np.int64))
    count = pixels.shape[0] * pixels.shape[1]
    return red // count, green // count, blue // count


def _may_touch(first: PlacedObject, second: PlacedObject) -> bool:
    return all(
        a.start < b.stop and b.start < a.stop
        for a, b in zip(first.window, second.window, strict=True)
    )


def _photograph(stream: RandomStream, canvas: IntArray, amplitude: int) -> npt.NDArray[np.uint8]:
    """Soften by a lens (1-4-1 in both directions) and add noise."""
    edged = np.pad(canvas, ((1, 1), (1, 1), (0, 0)), mode="edge")
    edged = edged[:-2] + 4 * edged[1:-1] + edged[2:]
    soft = (edged[:, :-2] + 4 * edged[:, 1:-1] + edged[:, 2:] + 18) // 36
    noise = stream.octets(soft.size).reshape(soft.shape)
    noise = (noise * (2 * amplitude + 1) >> 8) - amplitude
    return np.clip(soft + noise, 0, 255).astype(np.uint8)
