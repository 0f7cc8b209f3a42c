"""What is wrong with single annotations: their boxes, masks and areas."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from typing import Any

from boxseg.data.annotation_rules import ROUNDING, are_finite, clip_box
from boxseg.data.coco_fields import is_box, is_id
from boxseg.data.entries import Defect, ImageEntry
from boxseg.data.segmentations import extent, has_size, is_absent, segmentation_fault

POOR, GOOD = 0.7, 0.8
"""Overlap of a box with the extent of its mask below which they do not fit, and from which on."""


def annotation_defects(
    where: str, annotation: dict[str, Any], image: ImageEntry | None, masks_expected: bool
) -> Iterator[Defect]:
    """Examine what of an annotation can be examined, whatever its other fields hold.

    Args:
        where: how messages name it.
        annotation: as the JSON has it.
        image: the one it is of; None where that is unknown or has no size.
        masks_expected: others of the split have a mask, so one is missed here.
    """
    if is_id(annotation.get("id")) and annotation["id"] == 0:
        yield Defect(
            "annotation id 0",
            where,
            "has the id that pycocotools takes for 'not matched', so a hit on it counts as a miss",
            "number the annotations from 1",
        )
    box = annotation["bbox"] if is_box(annotation.get("bbox")) else None
    if box is not None and image is not None:
        yield from _box_defects(where, box, image)
    if annotation.get("area") is not None and box is not None and box[2] > 0 and box[3] > 0:
        yield from _area_defects(where, annotation["area"], box)
    segmentation = annotation.get("segmentation")
    if is_absent(segmentation) and not masks_expected:
        return
    if segmentation is not None and image is not None:
        yield from _mask_defects(where, segmentation, box, image)
    elif segmentation is None:
        yield Defect(
            "missing segmentation",
            where,
            "has no `segmentation`, though others have one",
            "give it one; training with masks and mask AP need it",
        )


def _box_defects(where: str, box: list[float], image: ImageEntry) -> Iterator[Defect]:
    _, fault = clip_box(box, image.width, image.height)
    shown = f"has the box {box} (x, y, width, height)"
    if fault == "zero area":
        yield Defect(
            "box of zero area",
            where,
            f"{shown}, whose area is not positive; training drops it",
            "correct the box or remove the annotation",
        )
    elif fault is not None:
        verb = "drops" if fault == "outside" else "clips"
        yield Defect(
            f"box {fault}",
            where,
            f"{shown}, {fault} its {image.width} x {image.height} image; training {verb} it",
            "correct the box",
        )


def _area_defects(where: str, area: Any, box: list[float]) -> Iterator[Defect]:
    # One pixel of slack per side: rasterising a mask may fill the pixels its outline touches.
    if not are_finite([area]) or not 0 < area <= (box[2] + 1) * (box[3] + 1):
        yield Defect(
            "implausible area",
            where,
            f"has `area` {reprlib.repr(area)}, which is no area within its box",
            "give it the mask's area in square pixels, which sorts objects into sizes for AP, or "
            "leave it out",
        )


def _mask_defects(
    where: str, segmentation: Any, box: list[float] | None, image: ImageEntry
) -> Iterator[Defect]:
    width, height = image.width, image.height
    whose = f"the segmentation of {where}"
    invalid = segmentation_fault(segmentation, width, height)
    if invalid is not None:
        yield Defect(
            _kind_of_fault(segmentation, width, height),
            whose,
            invalid,
            "correct it; training with masks and mask AP need it",
        )
        return
    bounds = extent(segmentation, width, height)
    if bounds is None:
        yield Defect("empty mask", whose, "covers no pixel", "correct it or remove the annotation")
        return
    if isinstance(segmentation, list):
        yield from _polygon_defects(whose, bounds, image)
    sound = box is not None and clip_box(box, width, height)[0] is not None
    if box is not None and _are_corners(bounds, box):
        yield Defect(
            "box given as corners",
            where,
            f"has the box {box}, which is the place of its mask as left, top, right, bottom "
            "instead of x, y, width, height",
            "write right - left and bottom - top as its width and height",
        )
    elif box is not None and sound and _apart(bounds, box):
        shown = ", ".join(f"{value:g}" for value in bounds)
        yield Defect(
            "mask outside its box",
            whose,
            f"lies within ({shown}) (left, top, right, bottom), which the box {box} (x, y, width, "
            "height) does not touch",
            "correct the one that is wrong",
        )


def _kind_of_fault(segmentation: Any, width: int, height: int) -> str:
    if isinstance(segmentation, list) and segmentation:
        return "invalid polygon"
    if isinstance(segmentation, dict):
        if has_size(segmentation, width, height):
            return "invalid run-length encoding"
        return "run-length encoding of the wrong size"
    return "invalid segmentation"


def _polygon_defects(
    whose: str, bounds: tuple[float, float, float, float], image: ImageEntry
) -> Iterator[Defect]:
    x0, y0, x1, y1 = bounds
    overhang = max(-x0, -y0, x1 - image.width, y1 - image.height)
    if overhang > ROUNDING:
        yield Defect(
            "polygon outside",
            whose,
            f"reaches {overhang:g} px outside its {image.width} x {image.height} image",
            "correct its points, or clip them to the image",
        )


def _are_corners(bounds: tuple[float, float, float, float], box: list[float]) -> bool:
    """Whether a box fits its mask when it is read as corners, and not as COCO reads it."""
    left, top, width, height = box
    as_sides = _overlap(bounds, (left, top, left + width, top + height))
    return as_sides < POOR < GOOD <= _overlap(bounds, (left, top, width, height))


def _overlap(
    first: tuple[float, float, float, float], second: tuple[float, float, float, float]
) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    x0, y0 = max(first[0], second[0]), max(first[1], second[1])
    x1, y1 = min(first[2], second[2]), min(first[3], second[3])
    common = max(x1 - x0, 0.0) * max(y1 - y0, 0.0)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)) - common
    return common / both if both > 0 else 0.0


def _apart(bounds: tuple[float, float, float, float], box: list[float]) -> bool:
    x0, y0, x1, y1 = bounds
    left, top, width, height = box
    return x0 >= left + width or x1 <= left or y0 >= top + height or y1 <= top
