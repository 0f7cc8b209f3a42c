"""Pascal VOC: an XML file for each picture, as LabelImg, CVAT and Roboflow write it.

Their corners are edges in pixels, counted from 0; those of VOC's own XML are the first and the last
pixel, counted from 1 (`boxseg.data.voc.boxes`). Splits are ImageSets/Main/<split>.txt or folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from boxseg.data.foreign.annotated import (
    AnnotatedFolder,
    AnnotatedObject,
    AnnotatedPicture,
    Box,
    Size,
)
from boxseg.data.foreign.documents import UnusableFile, read_text, read_xml
from boxseg.data.foreign.geometry import flat
from boxseg.data.foreign.pictures import SourceFolder, letters
from boxseg.data.foreign.report import ImportReport
from boxseg.data.foreign.splits import split_name, split_of_files
from boxseg.data.voc.boxes import coco_box

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_OF_THE_CHALLENGE = re.compile(r"\s*The VOC20\d\d Database\s*")


def is_voc(root: Element) -> bool:
    """Whether an XML document describes one picture as VOC does."""
    return root.tag == "annotation"


def read_voc(source: SourceFolder, report: ImportReport) -> AnnotatedFolder:
    """Read a folder of VOC's XML; pictures without one are left out and counted."""
    sets = _image_sets(source, report)
    pictures = []
    for file in source.with_suffix(".xml"):
        try:
            root = read_xml(file)
            if not is_voc(root):
                raise UnusableFile(f"is XML of another kind (<{root.tag}>)")
            picture = _picture(source, file, root)
            objects = tuple(_objects(root, report.where(file), report))
            size = _size(root)
        except UnusableFile as error:
            report.skip(file, error)
            continue
        split = sets.get(letters(file.stem)) if sets else split_of_files(source.root, file, picture)
        pictures.append(AnnotatedPicture(picture, split, size, objects))
    return AnnotatedFolder(tuple(pictures))


def _picture(source: SourceFolder, file: Path, root: Element) -> Path:
    """The picture of an XML file: by the name it gives, else by its own name."""
    named = (root.findtext("filename") or "").strip()
    try:
        return source.picture(named or file.stem, file.parent)
    except UnusableFile:
        try:
            return source.picture(file.stem, file.parent)
        except UnusableFile:
            raise UnusableFile(
                f"is of the picture {named or file.stem}, which is not there"
            ) from None


def _size(root: Element) -> Size | None:
    try:
        width, height = (int(root.findtext(f"size/{side}") or "0") for side in ("width", "height"))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _objects(root: Element, where: str, report: ImportReport) -> Iterator[AnnotatedObject]:
    from_one = _OF_THE_CHALLENGE.fullmatch(root.findtext("source/database") or "") is not None
    for number, element in enumerate(root.findall("object"), start=1):
        place = f"{where} object {number}"
        texts = [element.findtext(f"bndbox/{side}") for side in _SIDES]
        if None in texts:
            report.leave_out("objects without a box", place)
            continue
        try:
            x0, y0, x1, y1 = (float(text or "") for text in texts)
        except ValueError:
            report.leave_out("objects whose box is not four numbers", place)
            continue
        name = (element.findtext("name") or "").strip()
        box: Box = (x0, y0, x1, y1)
        if from_one:
            x0, y0, width, height = coco_box(box)
            box = (x0, y0, x0 + width, y0 + height)
        yield AnnotatedObject(name, box, place, _polygon(element))


def _polygon(element: Element) -> list[list[float]] | None:
    """Roboflow's polygon, <x1>, <y1>, <x2>, ...; None where there is none that can be read."""
    polygon = element.find("polygon")
    if polygon is None:
        return None
    points = []
    for number in range(1, len(polygon) // 2 + 1):
        try:
            x, y = (float(polygon.findtext(f"{axis}{number}") or "") for axis in "xy")
        except ValueError:
            return None
        points.append((x, y))
    return [flat(points)] if len(points) >= 3 else None


def _image_sets(source: SourceFolder, report: ImportReport) -> dict[str, str]:
    """The split of each picture that a list in ImageSets/Main names, by its stem."""
    sets: dict[str, str] = {}
    lists = {
        file.stem: file
        for file in source.with_suffix(".txt")
        if [part.lower() for part in file.parts[-3:-1]] == ["imagesets", "main"]
        and "_" not in file.stem  # those of one class, such as cat_train
    }
    if {"train", "val"} & lists.keys():
        lists.pop("trainval", None)
    for name, file in sorted(lists.items()):
        split = split_name(name)
        if split is None:
            continue
        try:
            lines = read_text(file).splitlines()
        except UnusableFile as error:
            report.skip(file, error)
            continue
        for line in filter(None, map(str.strip, lines)):
            stem = letters(line.replace("\\", "/").rpartition("/")[2])
            first = sets.setdefault(stem, split)
            if first != split:
                report.leave_out(f"pictures of {split} that are in {first} too", line)
    return sets
