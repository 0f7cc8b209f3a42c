"""Everything wrong with a split on disk, found in one pass over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from boxseg.data.annotation_checks import annotation_defects
from boxseg.data.annotation_rules import ROUNDING, clip_box
from boxseg.data.coco_fields import entry_name, is_id
from boxseg.data.coco_json import parse_coco
from boxseg.data.dataset import Split
from boxseg.data.entries import Category, CocoJson, Defect, ImageEntry
from boxseg.data.image_checks import image_findings, repeated_names
from boxseg.data.segmentations import is_absent
from boxseg.data.split_images import unlisted_files
from boxseg.errors import InputError
from boxseg.files import read_json


@dataclass(frozen=True)
class SplitCheck:
    """What a split holds and what is wrong with it.

    Attributes:
        name: of the split checked.
        images, annotations, categories: the number of entries the JSON lists, sound or not.
        categories_used: how many categories have an annotation.
        crowd: how many annotations are of crowds.
        defects: in the order structure, images, annotations.
        notes: facts worth knowing that are no defects, one sentence each.
        category_table: the sound categories, sorted by id.
        image_table: the sound images, sorted by id.
    """

    name: str
    images: int
    annotations: int
    categories: int
    categories_used: int
    crowd: int
    defects: tuple[Defect, ...]
    notes: tuple[str, ...]
    category_table: tuple[Category, ...] = ()
    image_table: tuple[ImageEntry, ...] = ()

    def sentence(self) -> str:
        """The counts in one line."""
        return (
            f"{self.name}: images {self.images}, annotations {self.annotations} "
            f"(crowd {self.crowd}), categories {self.categories_used} of {self.categories} used, "
            f"defects {len(self.defects)}."
        )


def check_split(split: Split, only: frozenset[int] | None = None) -> SplitCheck:
    """Examine the JSON and every image of a split; no defect hides another.

    Args:
        split: where both are.
        only: ids of the images whose files are looked at; None for all.
    """
    try:
        document = read_json(split.annotations)
    except InputError as error:
        reason = str(error).partition("; ")[0].rstrip(".")
        defect = Defect(
            "unreadable JSON", "the file", f"cannot be read ({reason})", "mend or restore it"
        )
        return SplitCheck(split.name, 0, 0, 0, 0, 0, (defect,), ())
    return check_document(document, split, only)


def check_document(document: Any, split: Split, only: frozenset[int] | None = None) -> SplitCheck:
    """Examine what `check_split` reads from the split's JSON; arguments as there."""
    content, defects = parse_coco(document, split.annotated)
    images = list(content.images.values())
    defects.extend(repeated_names(images, content.categories))
    if only is not None:
        defects.extend(_unlisted(only, content, split))
        images = [image for image in images if image.id in only]
    files = image_findings(images, split)
    defects.extend(files.defects)
    entries = _annotations(document)
    with_masks = sum(not is_absent(entry.get("segmentation")) for _, entry in entries)
    for where, entry in entries:
        image_id = entry.get("image_id")
        image = content.images.get(image_id) if is_id(image_id) else None
        defects.extend(annotation_defects(where, entry, image, masks_expected=with_masks > 0))
    defects.extend(_repeated_annotations(content))
    defects.extend(_fractions(content))
    return SplitCheck(
        name=split.name,
        images=_length(document, "images"),
        annotations=_length(document, "annotations"),
        categories=_length(document, "categories"),
        categories_used=len({annotation["category_id"] for annotation in content.annotations}),
        crowd=sum(entry.get("iscrowd") in (1, True) for _, entry in entries),
        defects=tuple(defects),
        notes=(*_notes(content, split, with_masks, len(entries)), *files.notes(len(images))),
        category_table=tuple(content.categories),
        image_table=tuple(content.images.values()),
    )


def _annotations(document: Any) -> list[tuple[str, dict[str, Any]]]:
    """Every annotation that is an object at all, and how messages name it."""
    listed = document.get("annotations") if isinstance(document, dict) else None
    return [
        (entry_name("annotation", "annotations", index, entry), entry)
        for index, entry in enumerate(listed if isinstance(listed, list) else [])
        if isinstance(entry, dict)
    ]


def _length(document: Any, name: str) -> int:
    entries = document.get(name) if isinstance(document, dict) else None
    return len(entries) if isinstance(entries, list) else 0


def _unlisted(only: frozenset[int], content: CocoJson, split: Split) -> Iterator[Defect]:
    for image_id in sorted(only - content.images.keys()):
        yield Defect(
            "unknown id",
            f"image {image_id} of the id list",
            f"is not among the sound images of {split.annotations.name}",
            "remove it from the list or choose the list's own split",
        )


def _notes(content: CocoJson, split: Split, with_masks: int, annotations: int) -> Iterator[str]:
    annotated = {annotation["image_id"] for annotation in content.annotations}
    bare = len(content.images) - len(annotated)
    if bare and split.annotated:
        yield f"images without an annotation: {bare} of {len(content.images)}."
    if annotated and not with_masks:
        yield "no annotation has a segmentation, so the split serves training on boxes only."
    elif with_masks < annotations:
        yield (
            f"annotations without a mask: {annotations - with_masks} of {annotations}, so that "
            "mask AP is not measured on this split."
        )
    yield from _as_corners(content)
    unlisted = unlisted_files(content.images.values(), split.images)
    if unlisted:
        yield f"images in {split.images} that the JSON does not list: {unlisted}."


def _fractions(content: CocoJson) -> Iterator[Defect]:
    """Whether the boxes are in units of their image instead of pixels."""
    boxes = [annotation["bbox"] for annotation in content.annotations]
    sides = [side for image in content.images.values() for side in (image.width, image.height)]
    in_units = all(0 <= value <= 1 for box in boxes for value in box)
    if boxes and in_units and any(value % 1 for box in boxes for value in box) and min(sides) > 2:
        yield Defect(
            "boxes as fractions",
            "every annotation",
            "has a box within 0 to 1, as fractions of its image are and pixels are not",
            "multiply x and width by the image's width, y and height by its height",
        )


def _as_corners(content: CocoJson) -> Iterator[str]:
    """Whether boxes that stick out are sides mistaken for corners, where no mask can tell."""
    outside, corners = 0, True
    for annotation in content.annotations:
        image = content.images[annotation["image_id"]]
        left, top, right, bottom = annotation["bbox"]
        outside += clip_box(annotation["bbox"], image.width, image.height)[1] is not None
        corners &= left < right <= image.width + ROUNDING
        corners &= top < bottom <= image.height + ROUNDING
    if outside > 1 and corners:
        yield (
            f"{outside} of {len(content.annotations)} boxes leave their image, and all would lie "
            "inside if their last two numbers were right and bottom instead of width and height: "
            "the boxes may be corners."
        )


def _repeated_annotations(content: CocoJson) -> Iterator[Defect]:
    firsts: dict[tuple[Any, ...], dict[str, Any]] = {}
    for annotation in content.annotations:
        key = (annotation["image_id"], annotation["category_id"], *annotation["bbox"])
        first = firsts.setdefault(key, annotation)
        if first is not annotation and first.get("segmentation") == annotation.get("segmentation"):
            yield Defect(
                "repeated annotation",
                f"annotation {annotation['id']}",
                f"has the image, category, box and mask of annotation {first['id']}",
                "remove one of the two",
            )
