"""From the folder of another tool to one in COCO's layout, whole or not at all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxseg.data.dropped import counted
from boxseg.data.foreign.annotated import AnnotatedFolder, AnnotatedPicture
from boxseg.data.foreign.coco import read_coco
from boxseg.data.foreign.cvat import read_cvat
from boxseg.data.foreign.documents import UnusableFile
from boxseg.data.foreign.label_studio import read_label_studio
from boxseg.data.foreign.labelme import read_labelme
from boxseg.data.foreign.objects import class_name, coco_annotations
from boxseg.data.foreign.output import ImportedFolder
from boxseg.data.foreign.pictures import Measured, SourceFolder, letters
from boxseg.data.foreign.recognise import inventory, recognise
from boxseg.data.foreign.report import ImportReport
from boxseg.data.foreign.splits import divide, known_split
from boxseg.data.foreign.voc import read_voc
from boxseg.data.foreign.yolo import read_yolo
from boxseg.data.image_reader import UnreadableImage
from boxseg.errors import InputError

READERS: dict[str, Callable[[SourceFolder, ImportReport], AnnotatedFolder]] = {
    "yolo": read_yolo,
    "voc": read_voc,
    "labelme": read_labelme,
    "cvat": read_cvat,
    "label-studio": read_label_studio,
    "coco": read_coco,
}
_PICTURE_FOLDERS = ("images", "jpegimages")


@dataclass(frozen=True)
class Import:
    """Outcome of `import_folder`.

    Attributes:
        lines: what was imported, left out and changed, one sentence each.
        complaints: a sentence for each file that could not be used.
    """

    lines: tuple[str, ...]
    complaints: tuple[str, ...]


@dataclass
class _Sound:
    """A picture that can be imported."""

    picture: AnnotatedPicture
    measured: Measured
    found: list[tuple[str, dict[str, Any]]]
    name: str = ""


def import_folder(
    folder: Path,
    out: Path,
    format_name: str | None = None,
    val_share: float = 0.2,
    seed: int = 0,
) -> Import:
    """Make a folder in COCO's layout of one that another tool wrote, which is only read.

    Pictures are linked (hard links) where the file system can, and copied elsewhere. The same call
    on the same folder gives the same bytes.

    Args:
        folder: the source.
        out: the folder to make; one that an earlier import made is replaced.
        format_name: one of `boxseg.data.foreign.FORMATS`; None to recognise it.
        val_share: share of the pictures that becomes the split "val" where there is none.
        seed: of that draw.

    Raises:
        InputError: the source is no folder or holds nothing of the format, which is unknown or
            ambiguous; or `out` is something else than an import, or cannot be written.
    """
    root = folder.expanduser().resolve()
    if not root.is_dir():
        raise InputError(f"{folder} is not a folder; name the one that your tool exported.")
    target = ImportedFolder(out.expanduser().resolve())
    target.require_replaceable(root)
    source = SourceFolder(root)
    report = ImportReport(root)
    name = format_name or recognise(source)
    read = READERS[name](source, report)
    sound = _sound(source, read.pictures, name, report)
    if not sound:
        told = next(iter((*report.complaints(), *report.lines())), None)
        first = f" (first: {told.rstrip('.')})" if told else ""
        raise InputError(
            f"{folder} holds no picture with annotations of the format {name}, but "
            f"{inventory(source)}{first}; name another folder, or another --format."
        )
    splits = divide(
        [one.picture for one in sound], [one.name for one in sound], val_share, seed, report
    )
    used = {category for one in sound for category, _ in one.found}
    listed = dict.fromkeys(class_name(text) for text in read.categories if text)
    categories = [*listed, *sorted(used - listed.keys())]
    if not categories:
        raise InputError(
            f"{folder} holds no object of a class in {counted(len(sound), 'picture')}; "
            "name a folder with annotations."
        )
    lines = [
        f"{name}: {counted(len(sound), 'picture')}, {counted(len(categories), 'class', 'classes')}."
    ]
    members: dict[str, list[_Sound]] = {}
    for one, split in zip(sound, splits, strict=True):
        if split is not None:
            members.setdefault(split, []).append(one)
    documents = _documents(members, categories, report, lines)
    files = {split: {one.name: one.picture.file for one in ones} for split, ones in members.items()}
    settings = {"format": name, "val_share": val_share, "seed": seed}
    target.write(documents, files, settings, report)
    return Import((*lines, *report.lines()), tuple(report.complaints()))


def _sound(
    source: SourceFolder,
    pictures: Sequence[AnnotatedPicture],
    format_name: str,
    report: ImportReport,
) -> list[_Sound]:
    """The pictures that can be read, each once, with sound objects and a name in its split."""
    found: dict[Path, _Sound] = {}
    for picture in pictures:
        if picture.file in found:
            report.leave_out("further annotations of one picture", report.where(picture.file))
            continue
        try:
            measured = source.measure(picture.file)
            objects = coco_annotations(picture, measured, report)
        except UnreadableImage as error:
            report.skip(picture.file, f"cannot be read ({error})")
        except UnusableFile as error:
            report.skip(picture.file, error)
        else:
            found[picture.file] = _Sound(picture, measured, objects)
    if format_name != "yolo":  # there a picture without a text file has no objects
        annotated = {picture.file for picture in pictures}
        for file in source.pictures:
            if file not in annotated:
                report.leave_out("pictures without annotations", report.where(file))
    sound = sorted(found.values(), key=lambda one: report.where(one.picture.file))
    taken: dict[str | None, set[str]] = {}
    for one in sound:
        one.name = _name(one.picture.file, report, taken.setdefault(one.picture.split, set()))
    return sound


def _name(file: Path, report: ImportReport, taken: set[str]) -> str:
    """A picture's path below the folder of its split, unlike all in `taken`, to which it is added.

    What a layout says is left away: of train/images/a/1.jpg it is a/1.jpg.
    """
    parts = list(file.relative_to(report.root).parts) if report.holds(file) else [file.name]
    for index in reversed(range(len(parts) - 1)):
        if parts[index].lower() in _PICTURE_FOLDERS or known_split(parts[index]) is not None:
            parts = parts[index + 1 :]
            break
    whole = Path("/".join(part.replace("\\", "_") for part in parts))
    name, number = whole, 1
    while letters(name.as_posix()) in taken:
        number += 1
        name = whole.with_name(f"{whole.stem}-{number}{whole.suffix}")
    if number > 1:
        report.change("pictures renamed, for another has their name", report.where(file))
    taken.add(letters(name.as_posix()))
    return os.fspath(name)


def _documents(
    members: dict[str, list[_Sound]],
    categories: list[str],
    report: ImportReport,
    lines: list[str],
) -> dict[str, dict[str, Any]]:
    """COCO's JSON of each split; images and annotations are numbered from 1 throughout."""
    ids = {name: number for number, name in enumerate(categories, start=1)}
    numbers = Counter[str]()
    documents: dict[str, dict[str, Any]] = {}
    for split, ones in sorted(members.items()):
        fields = [one_fields for one in ones for _, one_fields in one.found]
        masks = [one_fields for one_fields in fields if "segmentation" in one_fields]
        if masks and len(masks) < len(fields):
            report.leave_out(
                f"masks of {split}, where {len(fields) - len(masks)} of {len(fields)} objects "
                "have none",
                split,
            )
        images, entries = [], []
        for one in ones:
            numbers["image"] += 1
            width, height = one.measured.upright
            image = {"id": numbers["image"], "file_name": one.name}
            images.append({**image, "width": width, "height": height})
            for category, given in one.found:
                numbers["annotation"] += 1
                entry = {"id": numbers["annotation"], "image_id": numbers["image"]}
                kept = dict(given)
                if len(masks) < len(fields) and kept.pop("segmentation", None) is not None:
                    kept["area"] = round(kept["bbox"][2] * kept["bbox"][3], 3)
                entries.append({**entry, "category_id": ids[category], **kept})
        documents[split] = {
            "images": images,
            "annotations": entries,
            "categories": [{"id": number, "name": name} for name, number in ids.items()],
        }
        empty = sum(not one.found for one in ones)
        lines.append(
            f"{split}: {counted(len(ones), 'picture')} ({empty} without objects), "
            f"{counted(len(entries), 'object')}"
            + (", with masks." if masks and len(masks) == len(fields) else ".")
        )
    return documents
