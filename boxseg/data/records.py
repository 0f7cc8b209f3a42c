"""From a split on disk to the dataset dicts that Detectron2's loader and mappers work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from detectron2.structures import BoxMode

from boxseg.data.annotation_rules import clip_box
from boxseg.data.box_only import read_training_boxes
from boxseg.data.coco_json import read_coco_json
from boxseg.data.dataset import Split
from boxseg.data.dropped import DroppedReport, counted, tally
from boxseg.data.entries import Category, CocoJson, ImageEntry
from boxseg.data.segmentations import compressed, is_absent, segmentation_fault
from boxseg.data.split_images import on_disk
from boxseg.errors import InputError


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


def load_records(
    split: Split, with_masks: bool, only: frozenset[int] | None = None
) -> LoadedRecords:
    """Load a split for training.

    Each record has `file_name` (str, the full path), `height`, `width`, `image_id` and
    `annotations`, possibly none; each annotation `bbox` ([x0, y0, x1, y1] in pixels, within the
    image), `bbox_mode` (XYXY_ABS), `category_id` (contiguous, from 0) and `iscrowd` (0). Boxes come
    from the JSON's `bbox` and never from a mask, so that both modes train on the same boxes.

    Args:
        split: annotations and images.
        with_masks: adds `segmentation`, a list of polygons or a compressed run-length encoding.
            Without it the JSON's segmentations are not looked at, whatever they hold; the split's
            box-only JSON is read instead, where there is one.
        only: ids of the images to load; None for all.

    Raises:
        InputError: the JSON breaks a structural rule or lists no image, `only` has an id that it
            does not list, an image's file is missing, or, with masks, the segmentation of a kept
            annotation is missing or invalid.
    """
    content = read_coco_json(split.annotations) if with_masks else read_training_boxes(split)
    if only is not None:
        content = _restricted(content, only, split)
    content = _with_files(content, split)
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
        file=(split.annotations if with_masks else split.boxes or split.annotations).name,
        images=len(records),
        empty=sum(not record["annotations"] for record in records.values()),
        boxes=boxes,
        zero_area=tally(met["zero area"]),
        outside=tally(met["outside"]),
        clipped=tally(met["partly outside"]),
        crowd=tally(met["crowd"]),
    )
    return LoadedRecords(list(records.values()), content.categories, report)


def evaluation_images(split: Split) -> list[dict[str, Any]]:
    """Every image of a split as `file_name`, `height`, `width`, `image_id`, in the order of ids.

    Raises:
        InputError: as `load_records` does without masks.
    """
    content = read_coco_json(split.annotations, split.annotated)
    content = _with_files(content, split)
    return [_image_fields(image, split) for image in content.images.values()]


def _restricted(content: CocoJson, only: frozenset[int], split: Split) -> CocoJson:
    unknown = sorted(only - content.images.keys())
    if unknown:
        raise InputError(
            f"image {unknown[0]} of the id list is not in {split.annotations}"
            + (f" (nor are {len(unknown) - 1} others)" if len(unknown) > 1 else "")
            + "; remove it from the list or train on the list's own split."
        )
    return CocoJson(
        content.categories,
        {image.id: image for image in content.images.values() if image.id in only},
        [annotation for annotation in content.annotations if annotation["image_id"] in only],
    )


def _with_files(content: CocoJson, split: Split) -> CocoJson:
    """The same with the names that the images have on disk, where all of them are."""
    if not content.images:
        raise InputError(f"`images` in {split.annotations} is empty; list at least one image.")
    found = on_disk(content.images.values(), split.images)
    missing = [image for image in content.images.values() if image.id not in found]
    if missing:
        first = missing[0]
        others = len(missing) - 1
        more = f" (nor does the file of {counted(others, 'other image')})" if others else ""
        raise InputError(
            f"image {first.id} in {split.annotations} needs {split.images / first.file_name}, "
            f"which does not exist{more}; put it there or remove the image from the JSON."
        )
    return replace(content, images=found)


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
    if is_absent(annotation.get("segmentation")):
        raise InputError(
            f"{where} has no `segmentation`; give it one or choose a method that trains on boxes."
        )
    segmentation = annotation["segmentation"]
    fault = segmentation_fault(segmentation, image.width, image.height)
    if fault is not None:
        raise InputError(
            f"the segmentation of {where} {fault}; mend it or choose a method that trains on boxes."
        )
    if isinstance(segmentation, dict):
        return compressed(segmentation, image.width, image.height)
    return segmentation
