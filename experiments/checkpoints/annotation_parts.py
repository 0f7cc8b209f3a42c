"""Masks for the boxes of a split, image by image, so that an interrupted call goes on."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detectron2.structures import BoxMode

from boxseg.data.annotation_rules import clip_box
from boxseg.data.coco_json import sound_content
from boxseg.data.dataset import Split
from boxseg.data.entries import CocoJson, ImageEntry
from boxseg.data.segmentations import segmentation_fault
from boxseg.engine.lock import HeldError, locked
from boxseg.errors import InputError
from boxseg.files import read_json, write_json_atomically
from experiments.checkpoints.box_labeller import BoxLabeller, BoxMask

PARTS = ".parts"


@dataclass(frozen=True)
class SplitToLabel:
    """A split whose boxes are to get masks.

    Attributes:
        split: on disk.
        document: its JSON, whole.
        content: the same, checked.
        wanted: per image, the annotations that get a mask: those that have none and whose box has
            an area in the image.
    """

    split: Split
    document: dict[str, Any]
    content: CocoJson
    wanted: Mapping[int, tuple[dict[str, Any], ...]]

    @classmethod
    def read(cls, split: Split, blind: bool = False) -> SplitToLabel:
        """Read a split.

        Args:
            split: on disk.
            blind: as if its annotations had no masks.

        Raises:
            InputError: its JSON is not sound.
        """
        document = read_json(split.annotations)
        if blind:
            sound_content(document, split.annotations)
            boxes = [_without_mask(one) for one in document["annotations"]]
            document = {**document, "annotations": boxes}
        content = sound_content(document, split.annotations)
        wanted: dict[int, list[dict[str, Any]]] = {}
        for one in content.annotations:
            image = content.images[one["image_id"]]
            box, _ = clip_box(one["bbox"], image.width, image.height)
            if box is not None and not one.get("iscrowd", 0) and not has_mask(one, image):
                wanted.setdefault(image.id, []).append({**one, "clipped": box})
        return cls(split, document, content, {image: tuple(own) for image, own in wanted.items()})

    def record(self, image_id: int, classes: Mapping[int, int]) -> dict[str, Any]:
        """The record of an image and of its boxes that want a mask.

        Args:
            image_id: one of `wanted`.
            classes: a labeller's number of each category, by the category's id.
        """
        image = self.content.images[image_id]
        return {
            "file_name": str(self.split.images / image.file_name),
            "height": image.height,
            "width": image.width,
            "image_id": image.id,
            "annotations": [
                {
                    "bbox": list(one["clipped"]),
                    "bbox_mode": BoxMode.XYXY_ABS,
                    "category_id": classes[one["category_id"]],
                    "iscrowd": 0,
                }
                for one in self.wanted[image_id]
            ],
        }

    def classes(self, labeller: BoxLabeller) -> dict[int, int]:
        """The labeller's number of each category, by the category's id.

        Raises:
            InputError: the labeller does not know one of them.
        """
        categories = self.content.categories
        numbers = labeller.classes([one.name for one in categories], self.split.annotations)
        return {one.id: number for one, number in zip(categories, numbers, strict=True)}


def _without_mask(annotation: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in annotation.items() if key != "segmentation"}


def category_names(works: Sequence[SplitToLabel]) -> list[str]:
    """The names of the categories that all splits share, in their order.

    Raises:
        InputError: a split has others, so that a class's number would not mean the same in all.
    """
    first, *others = works
    for other in others:
        if other.content.categories != first.content.categories:
            raise InputError(
                f"{other.split.annotations} has other categories than {first.split.annotations}; "
                "make the lists equal, or choose one with --split."
            )
    return [one.name for one in first.content.categories]


def has_mask(annotation: Mapping[str, Any], image: ImageEntry) -> bool:
    """Whether an annotation has a valid segmentation, which is then never replaced."""
    segmentation = annotation.get("segmentation")
    return segmentation is not None and (
        segmentation_fault(segmentation, image.width, image.height) is None
    )


def masks_by_annotation(
    labeller: BoxLabeller, work: SplitToLabel, out: Path
) -> Iterator[dict[int, BoxMask] | InputError]:
    """Label image after image; what an earlier call has labelled is read from its parts.

    Args:
        labeller: of all boxes.
        work: the split.
        out: folder of the results, below which parts are kept.

    Yields:
        For each image with boxes that want a mask: its masks by annotation id, or why it cannot be
        read.

    Raises:
        InputError: a part cannot be written or read, or a category is not the model's.
    """
    classes = work.classes(labeller)
    for image_id, boxes in work.wanted.items():
        part = out / PARTS / work.split.name / f"{image_id}.json"
        if part.is_file():
            yield {int(id_): BoxMask(**one) for id_, one in read_json(part).items()}
            continue
        try:
            masks = labeller(work.record(image_id, classes))
        except InputError as error:
            yield error
            continue
        found = {one["id"]: mask for one, mask in zip(boxes, masks, strict=True)}
        write_json_atomically(part, {id_: asdict(one) for id_, one in found.items()}, indent=None)
        yield found


@contextlib.contextmanager
def claimed(
    out: Path,
    checkpoint: Path | None,
    splits: Sequence[SplitToLabel],
    blind: bool = False,
    flips: bool = False,
    learn: int | None = None,
) -> Iterator[None]:
    """Work in a folder that is for masks of one checkpoint, made in one way, for certain boxes.

    Nobody else works in it meanwhile.

    What a call that was killed had half written is removed.

    Args:
        out: the folder.
        checkpoint: that the masks are of; None for masks by colours.
        splits: whose boxes they are for.
        blind: also for those boxes that have a mask.
        flips: masks are of images and their mirror images.
        learn: seed of what was learnt from the boxes.

    Raises:
        InputError: it holds something else, or another call is at work in it.
    """
    _claim(out, checkpoint, splits, blind, flips, learn)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(out / PARTS / ".lock"))
        except HeldError:
            raise InputError(
                f"another call is at work in {out}; wait for it, or give another folder with --out."
            ) from None
        for half in [*out.rglob(".*.tmp")]:
            half.unlink(missing_ok=True)
        yield


def _claim(
    out: Path,
    checkpoint: Path | None,
    splits: Sequence[SplitToLabel],
    blind: bool,
    flips: bool,
    learn: int | None,
) -> None:
    identity: dict[str, Any] = {
        "checkpoint_sha256": None if checkpoint is None else _digest(checkpoint),
        "annotations_sha256": {work.split.name: _digest(work.split.annotations) for work in splits},
    }
    if blind:
        identity["masks_there_left_out"] = True
    if flips:
        identity["flips"] = True
    if learn is not None:
        identity["learn"] = learn
    mark = out / PARTS / "of.json"
    if mark.is_file():
        if read_json(mark) != identity:
            raise InputError(
                f"{out} holds masks of another checkpoint, of another choice of --flips or "
                "--learn, or of other boxes; give another folder with --out."
            )
        return
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty and not of `boxseg annotate`; give another --out.")
    write_json_atomically(mark, identity)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
