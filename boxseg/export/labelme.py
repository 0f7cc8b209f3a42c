"""LabelMe's format: a JSON beside each image, a polygon for each part of an object."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

from boxseg.export.annotated import AnnotatedImage, AnnotatedObject
from boxseg.export.polygons import outlines
from boxseg.files import write_json_atomically

VERSION = "5.0.0"
"""Of LabelMe, whose form the files have."""


def write_labelme_image(folder: Path, split: str, image: AnnotatedImage, picture: Path) -> Path:
    """Write `<split>/<image>.json`, which opens the picture where it lies.

    An object without a mask is its box; the parts of one with several share a group. Holes are
    filled: the format has none.

    Args:
        folder: to write to.
        split: of the image.
        image: with its objects.
        picture: the image's file.

    Raises:
        InputError: the file cannot be written.
    """
    target = folder / split / PurePosixPath(image.file_name).with_suffix(".json")
    shapes = [shape for one in image.objects for shape in _shapes(one)]
    content: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": Path(os.path.relpath(picture.resolve(), target.parent.resolve())).as_posix(),
        "imageData": None,
        "imageHeight": image.height,
        "imageWidth": image.width,
    }
    write_json_atomically(target, content)
    return target


def _shapes(one: AnnotatedObject) -> list[dict[str, Any]]:
    parts = [] if one.mask is None else outlines(one.dense())
    if not parts:
        x0, y0, x1, y1 = one.box
        return [_shape(one, "rectangle", [[x0, y0], [x1, y1]], None)]
    group = one.id if len(parts) > 1 else None
    return [_shape(one, "polygon", part.tolist(), group) for part in parts]


def _shape(
    one: AnnotatedObject, kind: str, points: list[list[float]], group: int | None
) -> dict[str, Any]:
    return {
        "label": one.name,
        "points": points,
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": {},
    }
