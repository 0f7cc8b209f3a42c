"""CVAT for images 1.1: one XML file for many pictures, in pixels of the upright picture."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from boxseg.data.foreign.annotated import AnnotatedFolder, AnnotatedObject, AnnotatedPicture, Size
from boxseg.data.foreign.documents import UnusableFile, read_xml
from boxseg.data.foreign.geometry import Point, around, around_ellipse, corners, flat, rotated
from boxseg.data.foreign.groups import joined
from boxseg.data.foreign.pictures import SourceFolder
from boxseg.data.foreign.report import ImportReport
from boxseg.data.foreign.splits import split_name, split_of_files


def is_cvat(root: Element) -> bool:
    """Whether an XML document is one of CVAT's."""
    return root.tag == "annotations"


def read_cvat(source: SourceFolder, report: ImportReport) -> AnnotatedFolder:
    """Read CVAT's XML files; the labels of its projects and tasks are the categories."""
    pictures: list[AnnotatedPicture] = []
    categories: dict[str, None] = {}
    for file in source.with_suffix(".xml"):
        try:
            root = read_xml(file)
            if not is_cvat(root):
                raise UnusableFile(f"is XML of another kind (<{root.tag}>)")
            if root.find("image") is None and root.find("track") is not None:
                raise UnusableFile("is CVAT for video; export it as CVAT for images 1.1")
        except UnusableFile as error:
            report.skip(file, error)
            continue
        for label in root.iterfind("meta//labels/label"):
            name = (label.findtext("name") or "").strip()
            if name and not (label.findtext("parent") or "").strip():
                categories[name] = None
        for track in root.iterfind("track"):
            report.leave_out("tracks of videos", f"{report.where(file)} track {track.get('id')}")
        for image in root.iterfind("image"):
            name = image.get("name") or ""
            where = f"{report.where(file)} image {name}"
            try:
                picture = source.picture(name, file.parent)
            except UnusableFile as error:
                report.skip(where, error)
                continue
            subset = split_name(image.get("subset") or "")
            split = subset or split_of_files(source.root, picture)
            objects = joined(_shapes(image, where, report))
            pictures.append(AnnotatedPicture(picture, split, _size(image), objects))
    return AnnotatedFolder(tuple(pictures), tuple(categories))


def _size(image: Element) -> Size | None:
    try:
        width, height = int(image.get("width") or 0), int(image.get("height") or 0)
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _shapes(
    image: Element, where: str, report: ImportReport
) -> Iterator[tuple[str | None, AnnotatedObject]]:
    for number, shape in enumerate(image, start=1):
        place = f"{where} shape {number}"
        try:
            found = _object(shape, place)
        except (TypeError, ValueError):  # an attribute that is missing or no number
            report.leave_out(f"shapes whose numbers cannot be read ({shape.tag})", place)
            continue
        if found is None:
            report.leave_out(f"shapes that are no object ({shape.tag})", place)
            continue
        if shape.tag == "mask":
            report.change("masks of pixels taken as boxes", place)
        group = shape.get("group_id")
        yield (None if group in (None, "", "0") else group), found


def _object(shape: Element, where: str) -> AnnotatedObject | None:
    name = (shape.get("label") or "").strip()
    turn = float(shape.get("rotation") or 0)
    if shape.tag == "box":
        x0, y0, x1, y1 = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
        box = (x0, y0, x1, y1)
        if turn:
            box = around(rotated(corners(box), ((x0 + x1) / 2, (y0 + y1) / 2), turn))
        return AnnotatedObject(name, box, where)
    if shape.tag == "polygon":
        points = _points(shape.get("points") or "")
        return AnnotatedObject(name, around(points), where, [flat(points)])
    if shape.tag == "ellipse":
        x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
        return AnnotatedObject(name, around_ellipse((x, y), (across, down), turn), where)
    if shape.tag == "mask":
        left, top, width, height = _numbers(shape, "left", "top", "width", "height")
        return AnnotatedObject(name, (left, top, left + width, top + height), where)
    return None


def _numbers(shape: Element, *names: str) -> list[float]:
    return [float(shape.get(name) or "") for name in names]


def _points(text: str) -> list[Point]:
    points = []
    for pair in text.split(";"):
        x, y = pair.split(",")
        points.append((float(x), float(y)))
    return points
