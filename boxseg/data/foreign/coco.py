"""COCO's JSON as other tools lay it out: CVAT's exports, and Roboflow's, one for each folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from boxseg.data.coco_fields import is_box
from boxseg.data.foreign.annotated import AnnotatedFolder, AnnotatedObject, AnnotatedPicture, Size
from boxseg.data.foreign.documents import UnusableFile, read_json_of
from boxseg.data.foreign.pictures import SourceFolder
from boxseg.data.foreign.report import ImportReport
from boxseg.data.foreign.splits import split_name, split_of_files
from boxseg.data.segmentations import extent, segmentation_fault

_INSTANCES = "instances_"
_LISTS = ("images", "annotations", "categories")


def is_coco(document: Any) -> bool:
    """Whether a JSON document is in COCO's format."""
    return isinstance(document, dict) and all(isinstance(document.get(k), list) for k in _LISTS)


def read_coco(source: SourceFolder, report: ImportReport) -> AnnotatedFolder:
    """Read COCO's JSON files, those of instances alone where there are such."""
    files = source.with_suffix(".json")
    instances = [file for file in files if file.name.startswith(_INSTANCES)]
    pictures: list[AnnotatedPicture] = []
    categories: dict[str, None] = {}
    for file in files:
        if instances and file not in instances:
            report.leave_out("JSON files that are not of instances", report.where(file))
            continue
        try:
            document = read_json_of(file)
        except UnusableFile as error:
            report.skip(file, error)
            continue
        if not is_coco(document):
            report.leave_out("JSON files that are not COCO's", report.where(file))
            continue
        names = _categories(document)
        categories.update(dict.fromkeys(names.values()))
        pictures += _pictures(file, document, names, source, report)
    return AnnotatedFolder(tuple(pictures), tuple(categories))


def _categories(document: dict[str, Any]) -> dict[Any, str]:
    """Names by id, without those that nothing is of and that only stand above others.

    Roboflow's first category is the name of the project, the supercategory of all others.
    """
    entries = [
        entry
        for entry in document["categories"]
        if isinstance(entry, dict) and type(entry.get("id")) is int and entry.get("name")
    ]
    names = {entry["id"]: str(entry["name"]).strip() for entry in entries}
    above = {
        str(entry.get("supercategory"))
        for entry in entries
        if entry.get("supercategory") != entry["name"]  # as COCO's person is a person
    }
    ids = [a.get("category_id") for a in document["annotations"] if isinstance(a, dict)]
    used = {category for category in ids if type(category) is int}
    return {
        number: names[number]
        for number in sorted(names)
        if number in used or names[number] not in above
    }


def _pictures(
    file: Path,
    document: dict[str, Any],
    names: dict[Any, str],
    source: SourceFolder,
    report: ImportReport,
) -> list[AnnotatedPicture]:
    where = report.where(file)
    called = file.stem.removeprefix(_INSTANCES) if file.stem.startswith(_INSTANCES) else ""
    split = split_of_files(source.root, file) or split_name(called)
    entries: dict[int, tuple[dict[str, Any], list[AnnotatedObject]]] = {}
    for number, entry in enumerate(document["images"], start=1):
        if not isinstance(entry, dict) or type(entry.get("id")) is not int:
            report.leave_out("images without an id", f"{where} image {number}")
        elif entries.setdefault(entry["id"], (entry, []))[0] is not entry:
            report.leave_out("images with the id of another", f"{where} image {number}")
    for number, annotation in enumerate(document["annotations"], start=1):
        place = f"{where} annotation {number}"
        if not isinstance(annotation, dict):
            report.leave_out("annotations that are no objects", place)
            continue
        place = f"{where} annotation {annotation.get('id', number)}"
        image_id, category_id = annotation.get("image_id"), annotation.get("category_id")
        if type(image_id) is not int or image_id not in entries:
            report.leave_out("annotations of an unknown picture", place)
        elif type(category_id) is not int or category_id not in names:
            report.leave_out("objects of an unknown class", f"{place}, class {category_id}")
        else:
            image, objects = entries[image_id]
            found = _object(annotation, names[category_id], _size(image), place)
            if found is None:
                report.leave_out("objects without a box", place)
            else:
                objects.append(found)
    pictures = []
    for image, objects in entries.values():
        name = str(image.get("file_name") or "")
        try:
            # Of equal names in several folders, the one in the folder of this split is meant.
            picture = source.picture(f"{called}/{name}" if split and name else name, file.parent)
        except UnusableFile as error:
            report.skip(f"{where} image {image['id']}", error)
            continue
        into = split or split_of_files(source.root, picture)
        pictures.append(AnnotatedPicture(picture, into, _size(image), tuple(objects)))
    return pictures


def _size(image: dict[str, Any]) -> Size | None:
    width, height = image.get("width"), image.get("height")
    if type(width) is int and type(height) is int and width > 0 and height > 0:
        return width, height
    return None


def _object(
    annotation: dict[str, Any], name: str, size: Size | None, where: str
) -> AnnotatedObject | None:
    segmentation = annotation.get("segmentation") or None
    crowd = annotation.get("iscrowd") in (1, True)
    box = annotation.get("bbox")
    if is_box(box):
        x, y, width, height = box
        return AnnotatedObject(name, (x, y, x + width, y + height), where, segmentation, crowd)
    if segmentation is None or size is None or segmentation_fault(segmentation, *size) is not None:
        return None
    bounds = extent(segmentation, *size)
    return None if bounds is None else AnnotatedObject(name, bounds, where, segmentation, crowd)
