"""What every format is read into: pictures with named boxes, in the pixels a tool measured them in.

Boxes are (x0, y0, x1, y1) with pixel column c covering c to c + 1. Nothing here is checked: a box
may be empty or outside its picture, which is found, counted and told by
`boxseg.data.foreign.objects`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Box = tuple[float, float, float, float]
Size = tuple[int, int]


@dataclass(frozen=True)
class AnnotatedObject:
    """One object of a picture.

    Attributes:
        category: its name; empty where the tool gives none.
        box: in pixels of the picture's frame.
        where: how messages name it, below the source folder.
        segmentation: its mask in one of COCO's two forms, likewise in pixels; None without one.
        crowd: it stands for several.
    """

    category: str
    box: Box
    where: str
    segmentation: Any = None
    crowd: bool = False


@dataclass(frozen=True)
class AnnotatedPicture:
    """A picture and what a tool says of it.

    Attributes:
        file: where it lies.
        split: the split it belongs to; None where the source does not say.
        frame: width and height that the tool recorded for it, in whose pixels the objects are
            measured; None where it recorded none, which means the upright picture.
        objects: in the order of the source; none for a picture known to be empty.
    """

    file: Path
    split: str | None
    frame: Size | None
    objects: tuple[AnnotatedObject, ...]


@dataclass(frozen=True)
class AnnotatedFolder:
    """What a folder holds.

    Attributes:
        pictures: those with annotations and those known to be empty, in the order of the source.
        categories: names that the source lists, in its order, used or not; a category that only an
            object names follows them.
    """

    pictures: tuple[AnnotatedPicture, ...]
    categories: tuple[str, ...] = ()
