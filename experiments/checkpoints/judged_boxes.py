"""What each box of a split is given, once the quality of its mask was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch

from boxseg.data.annotation_rules import clip_box
from boxseg.data.entries import ImageEntry
from boxseg.data.segmentations import compressed
from boxseg.encoded_masks import EncodedMasks
from boxseg.export.annotated import AnnotatedImage, AnnotatedObject
from boxseg.export.coco import polygons_of
from boxseg.trivial_masks import inscribed_ellipses
from experiments.checkpoints.annotation_parts import SplitToLabel, has_mask
from experiments.checkpoints.box_labeller import BoxMask


class Unsure(StrEnum):
    """What a box gets whose mask is not good enough."""

    NONE = "none"
    MASK = "mask"
    ELLIPSE = "ellipse"


class State(StrEnum):
    """What became of an annotation."""

    SURE = "sure"
    UNSURE = "unsure"
    KEPT = "had a mask already"
    UNREAD = "of images that cannot be read"
    DROPPED = "left out (crowds, or boxes without an area in their image)"


@dataclass(frozen=True)
class JudgedBox:
    """An annotation and its mask.

    Attributes:
        annotation: as it stands in the JSON.
        image: that it is of.
        state: what became of it.
        exported: box and mask, None for one that is left out.
        quality: of the mask that was found, whether it is given or not; None without one.
    """

    annotation: Mapping[str, Any]
    image: ImageEntry
    state: State
    exported: AnnotatedObject | None
    quality: float | None = None

    def fields(self) -> dict[str, Any]:
        """What is added to the annotation."""
        if self.state not in (State.SURE, State.UNSURE) or self.exported is None:
            return {}
        added: dict[str, Any] = {"unsure": self.state is State.UNSURE}
        if self.quality is not None:
            added["quality"] = self.quality
        if self.exported.mask is not None:
            added["segmentation"] = self.exported.mask
        return added


def judged_boxes(
    work: SplitToLabel, found: Mapping[int, BoxMask], least_quality: float, unsure: Unsure
) -> list[JudgedBox]:
    """Judge all annotations of a split, in their order.

    Args:
        work: the split.
        found: masks, by annotation id.
        least_quality: of a mask that is relied on, in [0, 1].
        unsure: what the others get.
    """
    names = {one.id: (place, one.name) for place, one in enumerate(work.content.categories)}
    judged = []
    for one in work.content.annotations:
        image = work.content.images[one["image_id"]]
        box, _ = clip_box(one["bbox"], image.width, image.height)
        if box is None or one.get("iscrowd", 0):
            judged.append(JudgedBox(one, image, State.DROPPED, None))
            continue
        mask, quality = None, None
        if has_mask(one, image):
            state, mask = State.KEPT, _as_text(one["segmentation"], image)
        elif one["id"] not in found:
            state = State.UNREAD
        else:
            there = found[one["id"]]
            quality = None if there.segmentation is None else there.quality
            sure = quality is not None and quality >= least_quality
            state = State.SURE if sure else State.UNSURE
            if sure or unsure is Unsure.MASK:
                mask = there.segmentation
            elif unsure is Unsure.ELLIPSE:
                mask = _ellipse(box, image)
        exported = AnnotatedObject(one["id"], *names[one["category_id"]], box, mask)
        judged.append(JudgedBox(one, image, state, exported, quality))
    return judged


def annotated_images(work: SplitToLabel, judged: Sequence[JudgedBox]) -> list[AnnotatedImage]:
    """All images of a split with what their boxes were given."""
    of_image: dict[int, list[AnnotatedObject]] = {image: [] for image in work.content.images}
    for one in judged:
        if one.exported is not None:
            of_image[one.image.id].append(one.exported)
    return [
        AnnotatedImage(image.file_name, image.width, image.height, tuple(of_image[image.id]))
        for image in work.content.images.values()
    ]


def document_with_masks(work: SplitToLabel, judged: Sequence[JudgedBox]) -> dict[str, Any]:
    """The split's JSON with masks added; all that was in it stays as it was."""
    added = {one.annotation["id"]: one.fields() for one in judged}
    annotations = [{**one, **added.get(one["id"], {})} for one in work.document["annotations"]]
    return {**work.document, "annotations": annotations}


def document_with_polygons(work: SplitToLabel, judged: Sequence[JudgedBox]) -> dict[str, Any]:
    """The same, the masks that were added as polygons."""
    document = document_with_masks(work, judged)
    masks = {one.annotation["id"]: one.fields().get("segmentation") for one in judged}
    annotations = [
        one if (mask := masks[one["id"]]) is None else {**one, "segmentation": polygons_of(mask)}
        for one in document["annotations"]
    ]
    return {**document, "annotations": annotations}


def _as_text(segmentation: Any, image: ImageEntry) -> dict[str, Any]:
    """A valid segmentation as a compressed run-length encoding that JSON can hold."""
    encoded = compressed(segmentation, image.width, image.height)
    counts = encoded["counts"]
    return {
        "size": list(encoded["size"]),
        "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts,
    }


def _ellipse(box: tuple[float, float, float, float], image: ImageEntry) -> dict[str, Any] | None:
    corners = torch.tensor([box], dtype=torch.float64)
    drawn = inscribed_ellipses(corners, image.height, image.width)
    return EncodedMasks.of(drawn).segmentations()[0] if drawn.any() else None
