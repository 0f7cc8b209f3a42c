"""What scenes look like: everything there is to tune.

Whatever is changed here changes the data: raise `GENERATOR_VERSION` with it, so that data made
before is not taken for data made after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from boxseg.data.scenes import shapes, textures
from boxseg.data.scenes.colours import Palette
from boxseg.data.scenes.shapes import Category
from boxseg.data.scenes.textures import TextureFunction

GENERATOR_VERSION = 2

Couples = Literal["none", "different class", "same class"]


@dataclass(frozen=True)
class Family:
    """What a family of scenes is made of; the weights are relative frequencies.

    Attributes:
        categories: the classes, in the order of their ids from 1.
        object_palette: colours of objects.
        background_palette: colours of backgrounds.
        object_textures: textures of objects, with weights.
        background_textures: textures of backgrounds, with weights.
    """

    categories: tuple[Category, ...]
    object_palette: Palette
    background_palette: Palette
    object_textures: tuple[tuple[TextureFunction, int], ...]
    background_textures: tuple[tuple[TextureFunction, int], ...]


@dataclass(frozen=True)
class SceneStyle:
    """How many, how large and how hard to see; shares and sizes in per cent.

    Attributes:
        min_objects: fewest objects in an image.
        max_objects: most objects in an image.
        lengths: ranges of an object's length, of the image's width, with their weights.
        min_visible: least visible part of an object, of its whole area.
        min_area_permille: least visible area, in thousandths of the image.
        contrast: least distance (0 to 255) of an object's colour from the background around it
            and from the objects it overlaps.
        background_contrast: greatest distance between a background's two colours.
        textured_share: objects with a second colour; the rest are plain, lightly shaded.
        camouflage_share: of the textured objects long enough, those whose second colour is close
            to the background around them.
        camouflage_length: least length of such objects, of the image's width; what shows of a
            shorter one could be anything.
        camouflage_contrast: least and greatest lightness difference of that second colour.
        similar_share: objects that borrow texture and colours of the background.
        similar_contrast: least and greatest lightness difference of such objects, 0 to 255.
        max_distractors: most blobs and lines on the background that are no objects.
        pixel_noise: greatest noise on a channel, in grey levels.
        couples: "none", or every image has one to three couples of objects whose visible boxes
            overlap with an IoU of at least `couple_iou`, of different classes or of one class.
        couple_iou: see `couples`.
    """

    min_objects: int = 3
    max_objects: int = 7
    lengths: tuple[tuple[tuple[int, int], int], ...] = (
        ((9, 15), 4),
        ((15, 30), 3),
        ((30, 50), 2),
        ((50, 75), 2),
    )
    min_visible: int = 70
    min_area_permille: int = 2
    contrast: int = 80
    background_contrast: int = 50
    textured_share: int = 65
    camouflage_share: int = 50
    camouflage_length: int = 22
    camouflage_contrast: tuple[int, int] = (10, 22)
    similar_share: int = 5
    similar_contrast: tuple[int, int] = (22, 38)
    max_distractors: int = 2
    pixel_noise: int = 4
    couples: Couples = "none"
    couple_iou: int = 25


FAMILIES = {
    "scenes": Family(
        categories=shapes.SCENES_CATEGORIES,
        object_palette=Palette(saturation=(70, 235), value=(80, 250)),
        background_palette=Palette(saturation=(10, 120), value=(60, 210)),
        object_textures=(
            (textures.stripes, 3),
            (textures.checks, 2),
            (textures.clouds, 2),
            (textures.gradient, 2),
            (textures.blotches, 3),
        ),
        background_textures=(
            (textures.clouds, 4),
            (textures.gradient, 3),
            (textures.stripes, 2),
            (textures.checks, 1),
            (textures.grain, 2),
        ),
    ),
    "scenes-b": Family(
        categories=shapes.SCENES_B_CATEGORIES,
        object_palette=Palette(saturation=(40, 170), value=(60, 220)),
        background_palette=Palette(saturation=(40, 160), value=(110, 245)),
        object_textures=(
            (textures.waves, 3),
            (textures.spots, 3),
            (textures.ripples, 2),
            (textures.grain, 2),
            (textures.gradient, 1),
            (textures.blotches, 2),
        ),
        background_textures=(
            (textures.bricks, 2),
            (textures.waves, 2),
            (textures.ripples, 1),
            (textures.spots, 1),
            (textures.clouds, 4),
            (textures.gradient, 2),
        ),
    ),
}

_BASE = SceneStyle()
# Of a short object half hidden nothing is left to see.
_LONGER = (((20, 34), 1), ((34, 52), 1))
_CROWDED = replace(_BASE, lengths=_LONGER, min_objects=2, max_objects=6, min_visible=30)

SITUATIONS = {
    "similar-background": replace(_BASE, similar_share=100),
    "overlap-inter-class": replace(_CROWDED, couples="different class"),
    "overlap-intra-class": replace(_CROWDED, couples="same class"),
}

SPLIT_STYLES = {"train": _BASE, "val": _BASE, "tune": _BASE, **SITUATIONS}
