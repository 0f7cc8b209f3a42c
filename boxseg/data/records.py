"""From a split on disk to the dataset dicts that Detectron2's loader and mappers work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detectron2.structures import BoxMode
from pycocotools import mask as run_length

from boxseg.data.annotation_rules import clip_box, segmentation_fault
from boxseg.data.coco_folder import missing_images
from boxseg.data.coco_json import Category, CocoJson, ImageEntry, read_coco_json
from boxseg.data.dataset import Split
from boxseg.errors import InputError

_EXAMPLES = 3


@dataclass(frozen=True)
class Tally:
    """How many annotations something befell, and the ids of the first few of them."""

    count: int
    examples: tuple[int, ...]

    def __str__(self) -> str:
        if not self.count:
            return "0"
        noun = "annotation" if self.count == 1 else "annotations"
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{self.count} ({noun} {', '.join(map(str, self.examples))}{more})"


@dataclass(frozen=True)
class DroppedReport:
    """What of a split is trained on, and what is not.

    Attributes:
        file: name of the annotation file.
        images: number of images, those without a box included.
        boxes: number of boxes kept, clipped ones included.
        zero_area: dropped, for a width or height that is not positive.
        outside: dropped, for sharing no area with the image.
        clipped: kept, but cut at the image's border.
        crowd: left out, because a crowd is no instance.
    """

    file: str
    images: int
    boxes: int
    zero_area: Tally
    outside: Tally
    clipped: Tally
    crowd: Tally

    def sentence(self) -> str:
        """The report in one line; what did not happen is left unsaid."""
        dropped = [
            f"{tally} {reason}"
            for tally, reason in (
                (self.zero_area, "of zero area"),
                (self.outside, "outside the image"),
            )
            if tally.count
        ]
        parts = [f"{_counted(self.images, 'image')}, {_counted(self.boxes, 'box', 'boxes')}"]
        if dropped:
            parts.append(f"dropped {', '.join(dropped)}")
        if self.clipped.count:
            parts.append(f"clipped {self.clipped}")
        if self.crowd.count:
            parts.append(f"left out {self.crowd.count} crowd")
        return f"{self.file}: {'; '.join(parts)}."


@dataclass(frozen=True)
class LoadedRecords:
    """The training view of a split.

    Attributes:
        records: Detectron2's dataset dicts, in the order of the image ids.
        categories: sorted by id; a record's `category_id` k means `categories[k]`.
        report: what was dropped, clipped and left out.
    """

    records: list[dict[str, Any]]
    categories: Sequence[Category]
    report: DroppedReport


def load_records(split: Split, with_masks: bool) -> LoadedRecords:
    """Load a split for training.

    Each record has `file_name` (str, the full path), `height`, `width`, `image_id` and
    `annotations`, possibly none; each annotation `bbox` ([x0, y0, x1, y1] in pixels, within the
    image), `bbox_mode` (XYXY_ABS), `category_id` (contiguous, from 0) and `iscrowd` (0). Boxes come
    from the JSON's `bbox` and never from a mask, so that both modes train on the same boxes.

    Args:
        split: annotations and images.
        with_masks: adds `segmentation`, a list of polygons or a compressed run-length encoding.
            Without it the JSON's segmentations are not looked at, whatever they hold.

    Raises:
        InputError: the JSON breaks a structural rule or lists no image, an image's file is missing,
            or, with masks, the segmentation of a kept annotation is missing or invalid.
    """
    content = _read_with_images(split)
    contiguous = {category.id: index for index, category in enumerate(content.categories)}
    records = {
        image.id: {**_image_fields(image, split), "annotations": []}
        for image in content.images.values()
    }
    met: dict[str, list[int]] = {
        "crowd": [],
        "zero area": [],
        "outside": [],
        "partly outside": [],
    }
    boxes = 0
    for annotation in content.annotations:
        if annotation.get("iscrowd", 0):
            met["crowd"].append(annotation["id"])
            continue
        image = content.images[annotation["image_id"]]
        box, fault = clip_box(annotation["bbox"], image.width, image.height)
        if fault is not None:
            met[fault].append(annotation["id"])
        if box is None:
            continue
        target = {
            "bbox": list(box),
            "bbox_mode": BoxMode.XYXY_ABS,
            "category_id": contiguous[annotation["category_id"]],
            "iscrowd": 0,
        }
        if with_masks:
            target["segmentation"] = _mask(annotation, image, split)
        records[image.id]["annotations"].append(target)
        boxes += 1

    report = DroppedReport(
        file=split.annotations.name,
        images=len(records),
        boxes=boxes,
        zero_area=_tally(met["zero area"]),
        outside=_tally(met["outside"]),
        clipped=_tally(met["partly outside"]),
        crowd=_tally(met["crowd"]),
    )
    return LoadedRecords(list(records.values()), content.categories, report)


def evaluation_images(split: Split) -> list[dict[str, Any]]:
    """Every image of a split as `file_name`, `height`, `width`, `image_id`, in the order of ids.

    Raises:
        InputError: as `load_records` does without masks.
    """
    content = _read_with_images(split)
    return [_image_fields(image, split) for image in content.images.values()]


def _read_with_images(split: Split) -> CocoJson:
    content = read_coco_json(split.annotations)
    if not content.images:
        raise InputError(f"`images` in {split.annotations} is empty; list at least one image.")
    missing = missing_images(content.images.values(), split.images)
    if missing:
        first = missing[0]
        others = len(missing) - 1
        more = f" (nor does the file of {_counted(others, 'other image')})" if others else ""
        raise InputError(
            f"image {first.id} in {split.annotations} needs {split.images / first.file_name}, "
            f"which does not exist{more}; put it there or remove the image from the JSON."
        )
    return content


def _image_fields(image: ImageEntry, split: Split) -> dict[str, Any]:
    return {
        "file_name": str(split.images / image.file_name),
        "height": image.height,
        "width": image.width,
        "image_id": image.id,
    }


def _mask(annotation: dict[str, Any], image: ImageEntry, split: Split) -> Any:
    """The segmentation in one of the two forms Detectron2's mappers take."""
    where = f"annotation {annotation['id']} in {split.annotations}"
    if annotation.get("segmentation") is None:
        raise InputError(
            f"{where} has no `segmentation`; give it one or choose a method that trains on boxes."
        )
    segmentation = annotation["segmentation"]
    fault = segmentation_fault(segmentation, image.width, image.height)
    if fault is not None:
        raise InputError(
            f"the segmentation of {where} {fault}; mend it or choose a method that trains on boxes."
        )
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], list):
        return run_length.frPyObjects(segmentation, image.height, image.width)
    return segmentation


def _tally(ids: list[int]) -> Tally:
    return Tally(len(ids), tuple(ids[:_EXAMPLES]))


def _counted(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
