"""Label Studio's JSON export: a list of tasks, with regions in percent of the upright picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from boxseg.data.annotation_rules import are_finite
from boxseg.data.foreign.annotated import AnnotatedFolder, AnnotatedObject, AnnotatedPicture, Size
from boxseg.data.foreign.documents import UnusableFile, read_json_of
from boxseg.data.foreign.geometry import around, around_ellipse, corners, flat, rotated
from boxseg.data.foreign.pictures import SourceFolder
from boxseg.data.foreign.report import ImportReport
from boxseg.data.foreign.splits import split_of_files
from boxseg.data.image_files import IMAGE_SUFFIXES
from boxseg.data.image_reader import UnreadableImage

_UPLOADED = re.compile(r"[0-9a-f]{8}-")  # what it puts before the name of an uploaded file
_SHAPES = ("rectangle", "polygon", "ellipse")


def is_label_studio(document: Any) -> bool:
    """Whether a JSON document is a list with a task in it, be it in the form of JSON-MIN."""
    return isinstance(document, list) and any(
        isinstance(task, dict) and (isinstance(task.get("data"), dict) or "annotation_id" in task)
        for task in document
    )


def read_label_studio(source: SourceFolder, report: ImportReport) -> AnnotatedFolder:
    """Read Label Studio's JSON files; a task without an annotation is left out and counted."""
    pictures: list[AnnotatedPicture] = []
    for file in source.with_suffix(".json"):
        try:
            document = read_json_of(file)
        except UnusableFile as error:
            report.skip(file, error)
            continue
        if not is_label_studio(document):
            report.leave_out("JSON files that are not Label Studio's", report.where(file))
            continue
        for number, task in enumerate(document, start=1):
            where = f"{report.where(file)} task {number}"
            if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
                minimal = isinstance(task, dict) and "annotation_id" in task
                report.leave_out(
                    "tasks of JSON-MIN, for which export JSON"
                    if minimal
                    else "tasks that are none",
                    where,
                )
                continue
            where = f"{report.where(file)} task {task.get('id', number)}"
            regions = _regions(task, where, report)
            if regions is None:
                report.leave_out("tasks without an annotation", where)
                continue
            try:
                picture = _picture(source, task, file.parent)
                size = _size(regions) or source.measure(picture).upright
            except (UnusableFile, UnreadableImage) as error:
                report.skip(where, error)
                continue
            objects = tuple(_objects(regions, size, where, report))
            split = split_of_files(source.root, picture)
            pictures.append(AnnotatedPicture(picture, split, size, objects))
    return AnnotatedFolder(tuple(pictures))


def _regions(task: dict[str, Any], where: str, report: ImportReport) -> list[dict[str, Any]] | None:
    """What the annotation of a task holds: the one marked as true, else the first; None if none."""
    listed = task.get("annotations", task.get("completions"))
    finished = [
        annotation
        for annotation in (listed if isinstance(listed, list) else [])
        if isinstance(annotation, dict)
        and not annotation.get("was_cancelled")
        and isinstance(annotation.get("result"), list)
    ]
    if not finished:
        return None
    for _ in finished[1:]:
        report.leave_out("further annotations of one task", where)
    chosen = next((one for one in finished if one.get("ground_truth") is True), finished[0])
    return [region for region in chosen["result"] if isinstance(region, dict)]


def _picture(source: SourceFolder, task: dict[str, Any], near: Path) -> Path:
    names: list[str] = []
    for value in (*task["data"].values(), task.get("file_upload")):
        if isinstance(value, str):
            names += [name for name in _names(value) if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    missing = UnusableFile("names no picture")
    for name in names:
        try:
            return source.picture(name, near)
        except UnusableFile as error:
            missing = error
    raise missing


def _names(address: str) -> Iterator[str]:
    """What a picture at an address may be called on disk."""
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d", []) if "local-files" in parts.path else []
    for path in (*local, unquote(parts.path), address):
        yield path
        folder, slash, name = path.replace("\\", "/").rpartition("/")
        if _UPLOADED.match(name):
            yield f"{folder}{slash}{name[9:]}"


def _size(regions: list[dict[str, Any]]) -> Size | None:
    """The size of the picture that the regions were drawn on."""
    for region in regions:
        width, height = region.get("original_width"), region.get("original_height")
        if type(width) is int and type(height) is int and width > 0 and height > 0:
            return width, height
    return None


def _objects(
    regions: list[dict[str, Any]], size: Size, where: str, report: ImportReport
) -> Iterator[AnnotatedObject]:
    labels = _labels(regions)
    for number, region in enumerate(regions, start=1):
        kind, value = region.get("type"), region.get("value")
        place = f"{where} region {number}"
        if not isinstance(kind, str) or not isinstance(value, dict):
            report.leave_out("regions of no type", place)
            continue
        if kind == "labels" or kind in ("choices", "textarea", "rating", "number"):
            continue  # the label of another region, or of the whole picture
        shape = kind.removesuffix("labels")
        if shape not in _SHAPES:
            report.leave_out(f"regions that are neither a box nor a polygon ({kind})", place)
            continue
        if region.get("image_rotation"):
            report.leave_out("regions drawn on a picture turned by hand", place)
            continue
        names = value.get(kind) or labels.get(region.get("id")) or [""]
        if len(names) > 1:
            report.change("regions of several classes, taken by the first", place)
        try:
            yield _object(shape, str(names[0]).strip(), value, size, place)
        except (KeyError, TypeError, ValueError):
            report.leave_out("regions whose numbers cannot be read", place)


def _labels(regions: list[dict[str, Any]]) -> dict[Any, list[Any]]:
    """Names given to a region apart from its shape, by the region's id."""
    found: dict[Any, list[Any]] = {}
    for region in regions:
        value = region.get("value")
        if region.get("type") == "labels" and isinstance(value, dict):
            names = value.get("labels")
            if isinstance(names, list) and isinstance(region.get("id"), str):
                found[region["id"]] = names
    return found


def _object(
    shape: str, name: str, value: dict[str, Any], size: Size, where: str
) -> AnnotatedObject:
    across, down = size[0] / 100, size[1] / 100
    turn = float(value.get("rotation") or 0)
    if shape == "polygon":
        points = [(float(x) * across, float(y) * down) for x, y in value["points"]]
        return AnnotatedObject(name, around(points), where, [flat(points)])
    keys = (
        ("x", "y", "width", "height") if shape == "rectangle" else ("x", "y", "radiusX", "radiusY")
    )
    numbers = [value[key] for key in keys]
    if not are_finite(numbers):
        raise ValueError(numbers)
    x, y, w, h = numbers[0] * across, numbers[1] * down, numbers[2] * across, numbers[3] * down
    if shape == "ellipse":
        return AnnotatedObject(name, around_ellipse((x, y), (w, h), turn), where)
    box = (x, y, x + w, y + h)
    if turn:  # about its first corner
        box = around(rotated(corners(box), (x, y), turn))
    return AnnotatedObject(name, box, where)
