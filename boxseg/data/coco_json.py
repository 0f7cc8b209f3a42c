"""COCO's instance JSON: its structure, read strictly.

The structural rules live here once: `read_coco_json` refuses a file that breaks one of them, and
`boxseg.data.check` lists every breach. What a box or a mask must satisfy beyond its type is in
`boxseg.data.annotation_rules`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxseg.data.annotation_rules import are_finite
from boxseg.errors import InputError
from boxseg.files import read_json


@dataclass(frozen=True)
class Defect:
    """One thing wrong with a dataset.

    Attributes:
        kind: what sort of defect, the same words for all of its sort ("unknown image").
        where: the entry ("annotation 17", "images[3]" where it has no usable id).
        message: what is wrong with it, to be read after `where`.
        remedy: what to do about it, an imperative.
    """

    kind: str
    where: str
    message: str
    remedy: str

    def sentence(self) -> str:
        """The whole defect as one sentence, without the name of the file."""
        return f"{self.where} {self.message}; {self.remedy}."


@dataclass(frozen=True)
class Category:
    """A category as the JSON lists it; ids need neither start at 1 nor be contiguous."""

    id: int
    name: str


@dataclass(frozen=True)
class ImageEntry:
    """An image as the JSON lists it; `file_name` is relative to the split's folder, sizes in px."""

    id: int
    file_name: str
    width: int
    height: int


@dataclass(frozen=True)
class CocoJson:
    """The sound entries of a COCO JSON.

    Attributes:
        categories: sorted by id.
        images: by id, in the order of their ids.
        annotations: as they stand in the file, in its order; id, image_id, category_id, bbox and
            iscrowd (where given) are valid and refer to `images` and `categories`. Nothing is
            known of their other fields.
    """

    categories: Sequence[Category]
    images: Mapping[int, ImageEntry]
    annotations: Sequence[dict[str, Any]]


def read_coco_json(path: Path) -> CocoJson:
    """Read a file in COCO's instance format; `segmentation` and `area` may be absent.

    Raises:
        InputError: the file cannot be read, is not JSON, or breaks a structural rule; the message
            names the file, the first entry at fault, its field and the remedy.
    """
    content, defects = parse_coco(read_json(path))
    if defects:
        first = defects[0]
        raise InputError(f"{first.where} in {path} {first.message}; {first.remedy}.")
    return content


def parse_coco(document: Any) -> tuple[CocoJson, list[Defect]]:
    """Split a JSON document into its sound entries and the structural defects of the others.

    A structural rule concerns identity and reference: required fields and their types, unique ids,
    annotations of images and categories that are listed. An annotation whose image or category is
    listed but itself defective is left out without a defect of its own.
    """
    if not isinstance(document, dict):
        found = type(document).__name__
        defect = Defect(
            "not COCO JSON",
            "the top level",
            f"is a JSON {found} instead of an object",
            "use a file in COCO's instance format",
        )
        return CocoJson((), {}, ()), [defect]

    defects = [
        Defect(
            "missing list",
            f"`{name}`",
            "is missing or not a list",
            "add it as a list of objects, as COCO's instance format has it",
        )
        for name in ("images", "categories", "annotations")
        if not isinstance(document.get(name), list)
    ]
    if defects:
        return CocoJson((), {}, ()), defects

    images, image_ids = _sound_entries(document["images"], "images", "image", _IMAGE, defects)
    categories, category_ids = _sound_entries(
        document["categories"], "categories", "category", _CATEGORY, defects
    )
    annotations, _ = _sound_entries(
        document["annotations"], "annotations", "annotation", _ANNOTATION, defects
    )
    image_table = {
        entry["id"]: ImageEntry(entry["id"], entry["file_name"], entry["width"], entry["height"])
        for entry in sorted(images, key=lambda entry: int(entry["id"]))
    }
    sound_categories = {entry["id"] for entry in categories}

    usable = []
    for annotation in annotations:
        image, category = annotation["image_id"], annotation["category_id"]
        if image in image_table and category in sound_categories:
            usable.append(annotation)
            continue
        for kind, target, known, field in (
            ("image", image, image_ids, "images"),
            ("category", category, category_ids, "categories"),
        ):
            if target not in known:
                defects.append(
                    Defect(
                        f"unknown {kind}",
                        f"annotation {annotation['id']}",
                        f"refers to {kind} {target}, which `{field}` does not list",
                        f"list the {kind} or remove the annotation",
                    )
                )
    table = tuple(
        Category(entry["id"], entry["name"])
        for entry in sorted(categories, key=lambda entry: int(entry["id"]))
    )
    return CocoJson(table, image_table, usable), defects


_ABSENT: Any = object()


@dataclass(frozen=True)
class _Field:
    name: str
    holds: Callable[[Any], bool]
    meaning: str


def _is_whole(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _is_size(value: object) -> bool:
    return type(value) is int and 0 < value < 2**31


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_flag_or_absent(value: object) -> bool:
    return value is _ABSENT or value in (0, 1)


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and are_finite(value)


_ID = _Field("id", _is_whole, "a whole number")
_IMAGE = (
    _ID,
    _Field("file_name", _is_text, "the name of its file"),
    _Field("width", _is_size, "its width in pixels, a positive whole number"),
    _Field("height", _is_size, "its height in pixels, a positive whole number"),
)
_CATEGORY = (_ID, _Field("name", _is_text, "a name"))
_ANNOTATION = (
    _ID,
    _Field("image_id", _is_whole, "the id of its image, a whole number"),
    _Field("category_id", _is_whole, "the id of its category, a whole number"),
    _Field("bbox", _is_box, "its box [x, y, width, height], four finite numbers"),
    _Field("iscrowd", _is_flag_or_absent, "0 or 1, or leave it out"),
)


def _sound_entries(
    entries: list[Any], list_name: str, noun: str, fields: tuple[_Field, ...], defects: list[Defect]
) -> tuple[list[dict[str, Any]], set[int]]:
    """Keep the entries whose fields hold and whose id is new; append the defects of the others.

    Returns:
        The sound entries, and every valid id met, defective entries' included.
    """
    sound = []
    seen: set[int] = set()
    for index, entry in enumerate(entries):
        where = f"{list_name}[{index}]"
        if not isinstance(entry, dict):
            defects.append(
                Defect(
                    "not an object", where, "is not an object", f"make it one or remove the {noun}"
                )
            )
            continue
        identity = entry.get("id")
        known = _is_whole(identity)
        repeated = known and identity in seen
        faults = [field for field in fields if not field.holds(entry.get(field.name, _ABSENT))]
        if known:
            seen.add(entry["id"])
        if not faults and not repeated:
            sound.append(entry)
            continue
        named = f"{noun} {identity}" if known else where
        defects.extend(_field_defect(named, entry, field) for field in faults)
        if repeated:
            defects.append(
                Defect(
                    f"duplicate {noun} id",
                    where,
                    f"repeats id {identity} of an earlier {noun}",
                    f"give each {noun} an id of its own",
                )
            )
    return sound, seen


def _field_defect(where: str, entry: dict[str, Any], field: _Field) -> Defect:
    if field.name not in entry:
        return Defect("missing field", where, f"has no `{field.name}`", f"give it {field.meaning}")
    value = reprlib.repr(entry[field.name])
    return Defect(
        "ill-typed field", where, f"has `{field.name}` {value}", f"give it {field.meaning}"
    )
