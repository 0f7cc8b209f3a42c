"""Everything wrong with a split on disk, found in one pass over it."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

from boxseg.data.annotation_rules import are_finite, clip_box, segmentation_fault
from boxseg.data.coco_folder import missing_images
from boxseg.data.coco_json import CocoJson, Defect, ImageEntry, parse_coco
from boxseg.data.dataset import Split
from boxseg.errors import InputError
from boxseg.files import read_json

_QUARTER_TURNS = (5, 6, 7, 8)


@dataclass(frozen=True)
class SplitCheck:
    """What a split holds and what is wrong with it.

    Attributes:
        split: the split checked.
        images, annotations, categories: the number of entries the JSON lists, sound or not.
        categories_used: how many categories have an annotation.
        crowd: how many annotations are of crowds.
        defects: in the order structure, images, annotations.
        notes: facts worth knowing that are no defects, one sentence each.
    """

    split: Split
    images: int
    annotations: int
    categories: int
    categories_used: int
    crowd: int
    defects: tuple[Defect, ...]
    notes: tuple[str, ...]

    def sentence(self) -> str:
        """The counts in one line."""
        return (
            f"{self.split.name}: images {self.images}, annotations {self.annotations} "
            f"(crowd {self.crowd}), categories {self.categories_used} of {self.categories} used, "
            f"defects {len(self.defects)}."
        )


def check_split(split: Split) -> SplitCheck:
    """Examine the JSON and every image of a split; no defect hides the ones after it.

    Image files are opened, but only their headers are read.
    """
    try:
        document = read_json(split.annotations)
    except InputError as error:
        reason = str(error).partition("; ")[0].rstrip(".")
        defect = Defect(
            "unreadable JSON", "the file", f"cannot be read ({reason})", "mend or restore it"
        )
        return SplitCheck(split, 0, 0, 0, 0, 0, (defect,), ())
    content, defects = parse_coco(document)
    defects.extend(_repeated_names(content))
    defects.extend(_image_defects(content, split))
    with_masks = sum(_has_mask(annotation) for annotation in content.annotations)
    for annotation in content.annotations:
        defects.extend(_annotation_defects(annotation, content, masks_expected=with_masks > 0))
    return SplitCheck(
        split=split,
        images=_length(document, "images"),
        annotations=_length(document, "annotations"),
        categories=_length(document, "categories"),
        categories_used=len({annotation["category_id"] for annotation in content.annotations}),
        crowd=sum(bool(annotation.get("iscrowd", 0)) for annotation in content.annotations),
        defects=tuple(defects),
        notes=tuple(_notes(content, with_masks)),
    )


def _length(document: Any, name: str) -> int:
    entries = document.get(name) if isinstance(document, dict) else None
    return len(entries) if isinstance(entries, list) else 0


def _has_mask(annotation: dict[str, Any]) -> bool:
    return annotation.get("segmentation") is not None


def _repeated_names(content: CocoJson) -> Iterator[Defect]:
    files: dict[str, int] = {}
    for image in content.images.values():
        first = files.setdefault(image.file_name, image.id)
        if first != image.id:
            yield Defect(
                "duplicate file name",
                f"image {image.id}",
                f"has the file {image.file_name} of image {first}",
                "merge the two images or correct the name",
            )
    names: dict[str, int] = {}
    for category in content.categories:
        first = names.setdefault(category.name, category.id)
        if first != category.id:
            yield Defect(
                "duplicate category name",
                f"category {category.id}",
                f"has the name {category.name!r} of category {first}",
                "merge the two categories or rename one",
            )


def _image_defects(content: CocoJson, split: Split) -> Iterator[Defect]:
    if not content.images:
        return
    try:
        missing = {image.id for image in missing_images(content.images.values(), split.images)}
    except InputError:
        yield Defect(
            "missing image folder",
            f"split {split.name}",
            f"has no readable image folder {split.images}",
            "put the split's images there",
        )
        return
    for image in content.images.values():
        if image.id in missing:
            yield Defect(
                "missing image file",
                f"image {image.id}",
                f"needs {split.images / image.file_name}, which does not exist",
                "put the file there or remove the image from the JSON",
            )
        else:
            yield from _file_defects(image, split)


def _file_defects(image: ImageEntry, split: Split) -> Iterator[Defect]:
    path = split.images / image.file_name
    try:
        with Image.open(path) as picture:
            size = picture.size
            # Training turns a photograph upright before it looks at its size.
            if picture.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS:
                size = size[::-1]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        yield Defect(
            "unreadable image",
            f"image {image.id}",
            f"cannot be opened from {path} ({type(error).__name__})",
            "restore the file or remove the image from the JSON",
        )
        return
    if size != (image.width, image.height):
        yield Defect(
            "wrong image size",
            f"image {image.id}",
            f"is {image.width} x {image.height} in the JSON but {size[0]} x {size[1]} in {path}",
            "correct width and height, and check that its boxes belong to this file",
        )


def _annotation_defects(
    annotation: dict[str, Any], content: CocoJson, masks_expected: bool
) -> Iterator[Defect]:
    where = f"annotation {annotation['id']}"
    image = content.images[annotation["image_id"]]
    if annotation["id"] == 0:
        yield Defect(
            "annotation id 0",
            where,
            "has the id that pycocotools takes for 'not matched', so a hit on it counts as a miss",
            "number the annotations from 1",
        )
    _, fault = clip_box(annotation["bbox"], image.width, image.height)
    box = f"has the box {annotation['bbox']} (x, y, width, height)"
    if fault == "zero area":
        yield Defect(
            "box of zero area",
            where,
            f"{box}, whose area is not positive; training drops it",
            "correct the box or remove the annotation",
        )
    elif fault is not None:
        verb = "drops" if fault == "outside" else "clips"
        yield Defect(
            f"box {fault}",
            where,
            f"{box}, {fault} its {image.width} x {image.height} image; training {verb} it",
            "correct the box",
        )
    if "area" in annotation and fault != "zero area":
        yield from _area_defects(annotation["area"], annotation["bbox"], where)
    if _has_mask(annotation):
        invalid = segmentation_fault(annotation["segmentation"], image.width, image.height)
        if invalid is not None:
            yield Defect(
                "invalid segmentation",
                f"the segmentation of {where}",
                invalid,
                "correct it; training with masks and mask AP need it",
            )
    elif masks_expected:
        yield Defect(
            "missing segmentation",
            where,
            "has no `segmentation`, though others have one",
            "give it one; training with masks and mask AP need it",
        )


def _area_defects(area: Any, bbox: list[float], where: str) -> Iterator[Defect]:
    # One pixel of slack per side: rasterising a mask may fill the pixels its outline touches.
    if not are_finite([area]) or not 0 <= area <= (bbox[2] + 1) * (bbox[3] + 1):
        yield Defect(
            "implausible area",
            where,
            f"has `area` {reprlib.repr(area)}, which is no area within its box",
            "give it the mask's area in square pixels, which sorts objects into sizes for AP",
        )


def _notes(content: CocoJson, with_masks: int) -> Iterator[str]:
    annotated = Counter(annotation["image_id"] for annotation in content.annotations)
    bare = len(content.images) - len(annotated)
    if bare:
        yield f"images without an annotation: {bare} of {len(content.images)}."
    if content.annotations and not with_masks:
        yield "no annotation has a segmentation, so the split serves training on boxes only."
