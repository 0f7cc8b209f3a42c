"""LabelMe: a JSON file for each picture, with shapes in pixels of the upright picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from boxseg.data.annotation_rules import are_finite
from boxseg.data.foreign.annotated import AnnotatedFolder, AnnotatedObject, AnnotatedPicture, Size
from boxseg.data.foreign.documents import UnusableFile, read_json_of
from boxseg.data.foreign.geometry import Point, around, around_ellipse, flat
from boxseg.data.foreign.groups import joined
from boxseg.data.foreign.pictures import SourceFolder
from boxseg.data.foreign.report import ImportReport
from boxseg.data.foreign.splits import split_of_files


def is_labelme(document: Any) -> bool:
    """Whether a JSON document describes one picture as LabelMe does."""
    return isinstance(document, dict) and isinstance(document.get("shapes"), list)


def read_labelme(source: SourceFolder, report: ImportReport) -> AnnotatedFolder:
    """Read a folder of LabelMe's JSON; pictures without one are left out and counted."""
    pictures = []
    for file in source.with_suffix(".json"):
        try:
            document = read_json_of(file)
            if not is_labelme(document):
                report.leave_out("JSON files that are not LabelMe's", report.where(file))
                continue
            picture = source.picture(_name(file, document), file.parent)
        except UnusableFile as error:
            report.skip(file, error)
            continue
        objects = joined(_shapes(document["shapes"], report.where(file), report))
        split = split_of_files(source.root, file, picture)
        pictures.append(AnnotatedPicture(picture, split, _size(document), objects))
    return AnnotatedFolder(tuple(pictures))


def _name(file: Path, document: dict[str, Any]) -> str:
    name = document.get("imagePath")
    return name if isinstance(name, str) and name.strip() else file.stem


def _size(document: dict[str, Any]) -> Size | None:
    width, height = document.get("imageWidth"), document.get("imageHeight")
    if type(width) is int and type(height) is int and width > 0 and height > 0:
        return width, height
    return None


def _shapes(
    shapes: list[Any], where: str, report: ImportReport
) -> Iterator[tuple[str | None, AnnotatedObject]]:
    for number, shape in enumerate(shapes, start=1):
        place = f"{where} shape {number}"
        points = _points(shape)
        if points is None:
            report.leave_out("shapes without points", place)
            continue
        kind = shape.get("shape_type") or "polygon"  # the first versions had no other
        label = shape.get("label")
        name = "" if label is None else str(label).strip()
        group = shape.get("group_id")
        found = _object(kind, name, points, place)
        if found is None:
            report.leave_out(f"shapes that are no object ({kind})", place)
            continue
        if kind == "mask":
            report.change("masks of pixels taken as boxes", place)
        yield None if group is None else str(group), found


def _object(kind: Any, name: str, points: list[Point], where: str) -> AnnotatedObject | None:
    if kind == "polygon" and len(points) >= 3:
        return AnnotatedObject(name, around(points), where, [flat(points)])
    if kind == "rectangle" and len(points) >= 2:
        return AnnotatedObject(name, around(points), where)
    if kind == "circle" and len(points) == 2:
        radius = math.dist(*points)
        return AnnotatedObject(name, around_ellipse(points[0], (radius, radius), 0), where)
    if kind == "mask" and len(points) == 2:  # its first and its last pixel
        x0, y0, x1, y1 = around(points)
        return AnnotatedObject(name, (x0, y0, x1 + 1, y1 + 1), where)
    return None


def _points(shape: Any) -> list[Point] | None:
    points = shape.get("points") if isinstance(shape, dict) else None
    if not isinstance(points, list) or not points:
        return None
    if not all(isinstance(p, list) and len(p) == 2 and are_finite(p) for p in points):
        return None
    return [(float(x), float(y)) for x, y in points]
