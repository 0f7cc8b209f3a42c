"""YOLO: a text file for each picture, a line for each object, in fractions of the picture.

`class x y width height` is a box by its centre, `class x y x y x y ...` a polygon. The classes are
in a data.yaml, which also names the splits, or in classes.txt, obj.names or _darknet.labels. The
text file of images/a/1.jpg is labels/a/1.txt or images/a/1.txt. A picture without one has no
objects, as for YOLO's own training. Fractions are of the upright picture.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxseg.data.foreign.annotated import AnnotatedFolder, AnnotatedObject, AnnotatedPicture
from boxseg.data.foreign.documents import UnusableFile, read_text, read_yaml
from boxseg.data.foreign.geometry import around, points_of
from boxseg.data.foreign.pictures import Measured, SourceFolder, letters, path_parts
from boxseg.data.foreign.report import ImportReport
from boxseg.data.foreign.splits import TEST, TRAIN, VAL, split_of_files
from boxseg.data.image_files import IMAGE_SUFFIXES
from boxseg.data.image_reader import UnreadableImage
from boxseg.errors import InputError

_LISTS = ("classes.txt", "obj.names", "_darknet.labels")
_KEYS = {"train": TRAIN, "val": VAL, "valid": VAL, "test": TEST}
_NAMELESS = "classes without names, which are called by their numbers"
_FRACTION = 2.0  # above it a number is a pixel; a box that sticks out may be above 1


@dataclass(frozen=True)
class _Classes:
    """Names by number; without names a class is called by its number."""

    names: dict[int, str] | None
    keypoints: bool = False

    def name(self, number: float) -> str | None:
        if self.names is None:
            return str(int(number)) if number >= 0 and number.is_integer() else None
        return self.names.get(int(number)) if number.is_integer() else None


def read_yolo(source: SourceFolder, report: ImportReport) -> AnnotatedFolder:
    """Read a YOLO folder.

    Raises:
        InputError: it has several data.yaml or lists of classes that differ.
    """
    listing = _listing(source, report)
    classes = _classes(source, listing, report)
    labels = Labels(source)
    pictures: list[AnnotatedPicture] = []
    for file, split in _pictures(source, listing, labels, report):
        label = labels.of(file)
        try:
            objects = _objects(label, source.measure(file), classes, report) if label else ()
        except UnreadableImage as error:
            report.skip(file, f"cannot be read ({error})")
        except UnusableFile as error:
            report.skip(label or file, error)
        else:
            pictures.append(AnnotatedPicture(file, split, None, objects))
    for orphan in labels.without_picture():
        report.skip(orphan, "labels a picture that is not there")
    names = () if classes.names is None else tuple(classes.names[k] for k in sorted(classes.names))
    return AnnotatedFolder(tuple(pictures), names)


class Labels:
    """The text files of a source folder, by the pictures they are of."""

    def __init__(self, source: SourceFolder) -> None:
        self.source = source
        texts = [file for file in source.with_suffix(".txt") if file.name.lower() not in _LISTS]
        self.texts = {letters(os.fspath(file.with_suffix(""))): file for file in texts}

    def of(self, picture: Path) -> Path | None:
        """The text file of a picture; None if there is none."""
        for place in _label_folders(picture.parent):
            stem = place / picture.stem
            text = Path(f"{stem}.txt")
            found = self.texts.get(letters(os.fspath(stem))) or (text if text.is_file() else None)
            if found is not None:
                return found
        return None

    def without_picture(self) -> list[Path]:
        """Those in folders called labels that are of no picture of the source."""
        owned = {self.of(picture) for picture in self.source.pictures}
        return [
            file
            for file in self.texts.values()
            if file not in owned
            and "labels" in map(str.lower, file.relative_to(self.source.root).parts[:-1])
        ]


def _label_folders(folder: Path) -> list[Path]:
    """Where the text files of a folder's pictures may lie: for images/a in labels/a, or in it."""
    parts = folder.parts
    for index in reversed(range(len(parts))):
        if parts[index].lower() == "images":
            return [Path(*parts[:index], "labels", *parts[index + 1 :]), folder]
    return [folder]


def is_listing(document: Any) -> bool:
    """Whether a YAML document is a data.yaml: names of classes, and where its splits are."""
    return (
        isinstance(document, dict)
        and ("names" in document or "nc" in document)
        and not document.keys().isdisjoint({"path", *_KEYS})
    )


def _listing(source: SourceFolder, report: ImportReport) -> tuple[Path, dict[str, Any]] | None:
    found: list[tuple[Path, dict[str, Any]]] = []
    for file in source.with_suffix(".yaml", ".yml"):
        try:
            document = read_yaml(file)
        except UnusableFile as error:
            report.skip(file, error)
            continue
        if is_listing(document):
            found.append((file, document))
    if len(found) > 1:
        raise InputError(
            f"{report.where(found[0][0])} and {report.where(found[1][0])} both list classes and "
            f"splits in {source.root}; import the folder of one of them, or take the other away."
        )
    return found[0] if found else None


def _classes(
    source: SourceFolder, listing: tuple[Path, dict[str, Any]] | None, report: ImportReport
) -> _Classes:
    if listing is not None:
        document = listing[1]
        names = document.get("names")
        keypoints = "kpt_shape" in document
        if isinstance(names, list):
            return _Classes({k: str(name).strip() for k, name in enumerate(names)}, keypoints)
        if isinstance(names, dict) and all(str(key).strip().isdecimal() for key in names):
            return _Classes({int(k): str(name).strip() for k, name in names.items()}, keypoints)
        report.change(_NAMELESS, report.where(listing[0]))
        return _Classes(None, keypoints)
    lists: dict[Path, list[str]] = {}
    for file in source.files:
        if file.name.lower() in _LISTS:
            try:
                lists[file] = [line.strip() for line in read_text(file).rstrip().splitlines()]
            except UnusableFile as error:
                report.skip(file, error)
    if not lists:
        report.change(_NAMELESS, "no classes.txt")
        return _Classes(None)
    (first, names), *others = lists.items()
    for file, other in others:
        if other != names:
            raise InputError(
                f"{report.where(first)} and {report.where(file)} list other classes in "
                f"{source.root}; make them equal, or take one away."
            )
    return _Classes(dict(enumerate(names)))


def _pictures(
    source: SourceFolder,
    listing: tuple[Path, dict[str, Any]] | None,
    labels: Labels,
    report: ImportReport,
) -> Iterator[tuple[Path, str | None]]:
    """Every picture with its split; those that no split of a data.yaml has are left out."""
    if listing is None or listing[1].keys().isdisjoint(_KEYS):
        in_images = {file for file in source.pictures if len(_label_folders(file.parent)) > 1}
        for file in source.pictures:
            if in_images and file not in in_images and labels.of(file) is None:
                report.leave_out("pictures beside the folder of images", report.where(file))
            else:
                yield file, split_of_files(source.root, file)
        return
    yaml_file, document = listing
    listed: dict[Path, str] = {}
    base = str(document.get("path") or "")
    for key, split in _KEYS.items():
        places = document.get(key) or []
        for place in [places] if isinstance(places, str) else places:
            if place in ("null", "~"):
                continue
            try:
                files = _of_place(source, yaml_file, base, str(place), report)
            except UnusableFile as error:
                report.skip(f"{split} of {report.where(yaml_file)}", error)
                continue
            for file in files:
                if listed.setdefault(file, split) != split:
                    report.leave_out(
                        f"pictures of {split} that are in {listed[file]} too", report.where(file)
                    )
    for file in source.pictures:
        if file not in listed:
            report.leave_out("pictures in none of the splits", report.where(file))
    yield from listed.items()


def _of_place(
    source: SourceFolder, yaml_file: Path, base: str, place: str, report: ImportReport
) -> list[Path]:
    """The pictures of a split: of a folder, or of a text file that lists them."""
    found = _existing(source.root, yaml_file.parent, base, place)
    if found is None:
        raise UnusableFile(f"is {place}, which is not there")
    if found.is_dir():
        if found.is_relative_to(source.root):
            return [file for file in source.pictures if file.is_relative_to(found)]
        return SourceFolder(found).pictures
    if found.suffix.lower() in IMAGE_SUFFIXES:
        return [found]
    files = []
    for number, line in enumerate(read_text(found).splitlines(), start=1):
        if line.strip():
            try:
                files.append(source.picture(line.strip(), found.parent))
            except UnusableFile as error:
                report.skip(f"{report.where(found)} line {number}", error)
    return files


def _existing(root: Path, beside: Path, base: str, place: str) -> Path | None:
    """What a data.yaml means, which may have been written on another machine.

    Roboflow's say ../train/images and mean train/images; so what lies in the source comes first.
    """
    base, place = base.replace("\\", "/"), place.replace("\\", "/")
    tried = [beside / base / place, beside / place, root / base / place, root / place]
    parts = path_parts(place)
    tried += [root.joinpath(*parts[start:]) for start in range(len(parts))]
    there = [path for path in (Path(os.path.normpath(path)) for path in tried) if path.exists()]
    return next((path for path in there if path.is_relative_to(root)), there[0] if there else None)


def _objects(
    label: Path, measured: Measured, classes: _Classes, report: ImportReport
) -> tuple[AnnotatedObject, ...]:
    found = []
    for number, line in enumerate(read_text(label).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        where = f"{report.where(label)} line {number}"
        try:
            kind, *values = map(_number, words)
        except ValueError:
            report.leave_out("lines that are not numbers", where)
            continue
        if classes.keypoints and len(values) > 4:
            report.change("objects whose keypoints are left out", where)
            values = values[:4]
        if len(values) == 5:
            report.change("boxes whose score is left out", where)
            values = values[:4]
        if len(values) != 4 and (len(values) < 6 or len(values) % 2):
            report.leave_out("lines that are neither a box nor a polygon", where)
            continue
        category = classes.name(kind)
        if category is None:
            report.leave_out("objects of an unknown class", f"{where}, class {words[0]}")
            continue
        if any(abs(value) > _FRACTION for value in values):
            report.leave_out("objects in pixels where fractions are due", where)
            continue
        found.append(_object(category, values, measured, where))
    return tuple(found)


def _number(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(word)
    return value


def _object(category: str, values: list[float], measured: Measured, where: str) -> AnnotatedObject:
    width, height = measured.upright
    if len(values) == 4:
        x, y, w, h = values
        box = (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height
        return AnnotatedObject(category, box, where)
    points = [(x * width, y * height) for x, y in points_of(values)]
    polygon = [value for point in points for value in point]
    return AnnotatedObject(category, around(points), where, [polygon])
