"""A split of VOC as a COCO document."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from boxseg.data.entries import Defect
from boxseg.data.image_reader import UnreadableImage
from boxseg.data.split_images import upright_size
from boxseg.data.voc.boxes import coco_box
from boxseg.data.voc.devkit import CLASSES, read_objects
from boxseg.data.voc.label_images import Instance, sbd_instances, voc_instances
from boxseg.data.voc.matching import match
from boxseg.data.voc.splits import SplitPlan
from boxseg.errors import InputError
from boxseg.progress_display.display import DISPLAY

logger = logging.getLogger(__name__)

_EXAMPLES = 3


@dataclass(frozen=True)
class Conversion:
    """What became of a split.

    Attributes:
        document: COCO's instance format; masks are run-length encodings.
        defects: what could not be converted, an entry for each image.
        notes: what was left out on purpose, one sentence each.
    """

    document: dict[str, Any]
    defects: tuple[Defect, ...]
    notes: tuple[str, ...]


@dataclass
class _LeftOut:
    objects: dict[str, int]
    instances: dict[str, int]

    def sentences(self) -> Iterator[str]:
        for found, what in (
            (self.objects, "objects of the XML without pixels of their own"),
            (self.instances, "objects of the label image that the XML does not list"),
        ):
            if found:
                names = ", ".join(list(found)[:_EXAMPLES])
                more = ", ..." if len(found) > _EXAMPLES else ""
                yield f"{what}, left out: {sum(found.values())} (in {names}{more})."


def convert(plan: SplitPlan) -> Conversion:
    """Convert every image of a split; one that cannot be is a defect and hides no other.

    A box is the XML's, or around SBD's mask; a mask is the label image's pixels of its number, void
    excluded. Objects that only one of XML and label image knows are left out and told of. In a
    split without masks, objects marked difficult are crowds: neither counted nor held against a
    detection.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    defects: list[Defect] = []
    left_out = _LeftOut({}, {})
    ids = plan.ids()
    with DISPLAY.bar(f"converting {plan.name}", len(plan.images), "image") as bar:
        if not bar.on_screen:
            logger.info("converting %d images of %s", len(plan.images), plan.name)
        for name in plan.images:
            try:
                entry = _image(plan, name, ids[name])
                found = list(_annotations(plan, name, (entry["width"], entry["height"]), left_out))
            except InputError as error:
                message, _, remedy = str(error).rstrip(".").rpartition("; ")
                defects.append(Defect("unusable source", f"image {name}:", message, remedy))
            else:
                images.append(entry)
                for annotation in found:
                    number = len(annotations) + 1
                    annotations.append({"id": number, "image_id": entry["id"]} | annotation)
            bar.update()
    document = {
        "info": {"description": f"{plan.devkit.name} {plan.name}, converted by boxseg"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": "none"}
            for number, name in enumerate(CLASSES, start=1)
        ],
    }
    return Conversion(document, tuple(defects), tuple(left_out.sentences()))


def _image(plan: SplitPlan, name: str, image_id: int) -> dict[str, Any]:
    file = plan.image_file(name)
    if not file.is_file():
        raise InputError(f"{file} does not exist; put it there.")
    try:
        width, height, _ = upright_size(file)
    except UnreadableImage as error:
        raise InputError(f"{file} cannot be read as an image ({error}); restore it.") from None
    folder = plan.devkit / "JPEGImages"
    relative = file.name if file.parent == folder else os.path.relpath(file, folder)
    return {"id": image_id, "file_name": relative, "width": width, "height": height}


def _annotations(
    plan: SplitPlan, name: str, size: tuple[int, int], left_out: _LeftOut
) -> Iterator[dict[str, Any]]:
    if name in plan.from_sbd and plan.sbd is not None:
        instances, label_size = sbd_instances(plan.sbd.instances(name))
        _require_size(label_size, size, plan.sbd.instances(name).name)
        for instance in instances:
            yield _with_mask(instance, instance.category, instance.bounds)
        return
    objects = read_objects(plan.devkit / "Annotations" / f"{name}.xml")
    if not plan.with_masks:
        for thing in objects:
            yield {
                "category_id": thing.category,
                "bbox": coco_box(thing.corners),
                "iscrowd": int(thing.difficult),
            }
        return
    png = f"{name}.png"
    instances, label_size = voc_instances(
        plan.devkit / "SegmentationObject" / png, plan.devkit / "SegmentationClass" / png
    )
    _require_size(label_size, size, f"SegmentationObject/{png}")
    pairs = match(objects, instances)
    for lost, whose in (
        (len(objects) - len(pairs), left_out.objects),
        (len(instances) - len(pairs), left_out.instances),
    ):
        if lost:
            whose[name] = lost
    for index, thing in enumerate(objects):
        if index in pairs:
            yield _with_mask(instances[pairs[index]], thing.category, coco_box(thing.corners))


def _with_mask(instance: Instance, category: int | None, box: list[float]) -> dict[str, Any]:
    return {
        "category_id": category,
        "bbox": box,
        "iscrowd": 0,
        "area": instance.area,
        "segmentation": instance.segmentation,
    }


def _require_size(labels: tuple[int, int], image: tuple[int, int], file: str) -> None:
    if labels != image:
        raise InputError(
            f"{file} is {labels[0]} x {labels[1]} pixels and its photograph {image[0]} x "
            f"{image[1]}; restore the one that is wrong."
        )
