"""COCO's instance JSON: its structure, read strictly.

The structural rules live here once: `read_coco_json` refuses a file that breaks one of them, and
`boxseg.data.check` lists every breach. What a box or a mask must satisfy beyond its type is in
`boxseg.data.annotation_rules` and `boxseg.data.segmentations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from boxseg.data.coco_fields import (
    ABSENT,
    ANNOTATION,
    CATEGORY,
    IMAGE,
    Field,
    entry_name,
    field_defect,
    is_id,
)
from boxseg.data.entries import Category, CocoJson, Defect, ImageEntry
from boxseg.errors import InputError
from boxseg.files import read_json


def read_coco_json(path: Path, annotated: bool = True) -> CocoJson:
    """Read a file in COCO's instance format; `segmentation` and `area` may be absent.

    Args:
        path: the file.
        annotated: False where it need not list annotations, as COCO's `image_info` files do not.

    Raises:
        InputError: the file cannot be read, is not JSON, or breaks a structural rule; the message
            names the file, the first entry at fault, its field and the remedy.
    """
    return sound_content(read_json(path), path, annotated)


def sound_content(document: Any, path: Path, annotated: bool = True) -> CocoJson:
    """What `read_coco_json` makes of the document in `path`, and the error it raises."""
    content, defects = parse_coco(document, annotated)
    if defects:
        first = defects[0]
        raise InputError(f"{first.where} in {path} {first.message}; {first.remedy}.")
    return content


def parse_coco(document: Any, annotated: bool = True) -> tuple[CocoJson, list[Defect]]:
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

    if not annotated:
        document = {"annotations": [], **document}
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

    images, image_ids = _sound_entries(document["images"], "images", "image", IMAGE, defects)
    categories, category_ids = _sound_entries(
        document["categories"], "categories", "category", CATEGORY, defects
    )
    annotations, _ = _sound_entries(
        document["annotations"], "annotations", "annotation", ANNOTATION, defects
    )
    image_table = {
        entry["id"]: ImageEntry(entry["id"], entry["file_name"], entry["width"], entry["height"])
        for entry in sorted(images, key=lambda entry: int(entry["id"]))
    }
    sound_categories = {entry["id"] for entry in categories}

    for index, entry in enumerate(document["annotations"]):
        if isinstance(entry, dict):
            defects.extend(_unknown_references(index, entry, image_ids, category_ids))
    usable = [
        annotation
        for annotation in annotations
        if annotation["image_id"] in image_table and annotation["category_id"] in sound_categories
    ]
    table = tuple(
        Category(entry["id"], entry["name"])
        for entry in sorted(categories, key=lambda entry: int(entry["id"]))
    )
    return CocoJson(table, image_table, usable), defects


def _unknown_references(
    index: int, annotation: dict[str, Any], image_ids: set[int], category_ids: set[int]
) -> Iterator[Defect]:
    for kind, known, field in (
        ("image", image_ids, "images"),
        ("category", category_ids, "categories"),
    ):
        target = annotation.get(f"{kind}_id")
        if is_id(target) and target not in known:
            yield Defect(
                f"unknown {kind}",
                entry_name("annotation", "annotations", index, annotation),
                f"refers to {kind} {target}, which `{field}` does not list",
                f"list the {kind} or remove the annotation",
            )


def _sound_entries(
    entries: list[Any], list_name: str, noun: str, fields: tuple[Field, ...], defects: list[Defect]
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
        known = is_id(identity)
        repeated = known and identity in seen
        faults = [field for field in fields if not field.holds(entry.get(field.name, ABSENT))]
        if known:
            seen.add(entry["id"])
        if not faults and not repeated:
            sound.append(entry)
            continue
        named = entry_name(noun, list_name, index, entry)
        defects.extend(field_defect(named, entry, field) for field in faults)
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
