"""From a dataset record to the model's input: pixels read, resized, flipped; boxes with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data import transforms as T
from detectron2.structures import BitMasks, Boxes, BoxMode, Instances
from pycocotools import mask as run_length
from torch import Tensor

from boxseg.data.image_reader import ImageReader
from boxseg.data.resizing import Part, Resizing, ShortSides, resized_shape
from boxseg.views import View


def image_tensor(image: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) pixels as a uint8 (3, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def binary_mask(segmentation: Any, height: int, width: int) -> np.ndarray:
    """A polygon list or run-length encoding as bool (height, width)."""
    if isinstance(segmentation, list):
        segmentation = run_length.merge(run_length.frPyObjects(segmentation, height, width))
    return run_length.decode(segmentation).astype(bool)


class TrainingMapper:
    """Augments a training record: one of several sizes, flipped or not.

    Where a jitter shows but a part of the image, the image and its size are those of the part from
    here on. Of an object that is cut the box, and the mask, of what is left is trained; one of
    which nothing is left is gone.

    Args:
        reader: of the images.
        short_sides: sizes of the short side, in pixels, one of which is drawn.
        max_side: limit of the long side, in pixels.
        flip: mirror half of the images.
        with_masks: carry the true masks along (mask-supervised training only).
        jitter: draws sizes in the place of `short_sides`, and the part that is seen.
    """

    def __init__(
        self,
        reader: ImageReader,
        short_sides: Sequence[int],
        max_side: int,
        flip: bool,
        with_masks: bool,
        jitter: Resizing | None = None,
    ) -> None:
        self.reader = reader
        self.max_side = max_side
        self.resizing = jitter or ShortSides(short_sides, max_side)
        self.flip = flip
        self.with_masks = with_masks

    def __call__(self, record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """The model's input.

        Args:
            record: see `boxseg.data.records.load_records`.
            rng: what every random choice is drawn from.

        Returns:
            `image` uint8 (3, H, W), `height` and `width` of the original image, `image_id`, and
            `instances` with `gt_boxes`, `gt_classes` and, only if asked for, `gt_masks`; and
            `student_view`, how the image was made from the original. Of a part of the original,
            all that is said of the original holds for the part.
        """
        return self.with_part(record, rng)[0]

    def with_part(
        self, record: dict[str, Any], rng: np.random.Generator
    ) -> tuple[dict[str, Any], Part]:
        """What calling gives, and the part of the original that is seen."""
        height, width = record["height"], record["width"]
        transform, view, part = self.drawn(height, width, rng)
        new_height, new_width = view.height, view.width
        objects = Instances((new_height, new_width))
        annotations = record["annotations"]
        corners = [
            BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in annotations
        ]
        boxes = transform.apply_box(np.asarray(corners, dtype=np.float64).reshape(-1, 4))
        boxes = boxes.clip(0, [new_width, new_height, new_width, new_height])
        objects.gt_boxes = Boxes(torch.from_numpy(boxes.astype(np.float32)))
        objects.gt_classes = torch.tensor([a["category_id"] for a in annotations]).long()
        if self.with_masks:
            masks = np.zeros((len(annotations), new_height, new_width), dtype=bool)
            for slot, annotation in zip(masks, annotations, strict=True):
                whole = binary_mask(annotation["segmentation"], height, width)
                slot[:] = transform.apply_segmentation(whole.astype(np.uint8)) > 0
            objects.gt_masks = BitMasks(torch.from_numpy(masks))
        if (part.height, part.width) != (height, width):
            objects = objects[objects.gt_boxes.nonempty()]
        x = {
            "image": image_tensor(transform.apply_image(self.reader(record))),
            "height": max(round(part.height), 1),
            "width": max(round(part.width), 1),
            "image_id": record["image_id"],
            "instances": objects,
            "student_view": view,
        }
        return x, part

    def drawn(
        self, height: int, width: int, rng: np.random.Generator
    ) -> tuple[T.TransformList, View, Part]:
        """How an image of this size is changed, the view that it becomes, and of which part."""
        resized = self.resizing(height, width, rng)
        flipped = self.flip and bool(rng.integers(2))
        steps = resized.steps + ([T.HFlipTransform(resized.width)] if flipped else [])
        return T.TransformList(steps), View(resized.height, resized.width, flipped), resized.part


class SharedImageMapper(TrainingMapper):
    """For a teacher that is shown the student's image, before its colours are changed.

    True masks, if the records carry them, go into `diagnostic_masks`, beside the objects and not
    among them, so that no loss can see them.
    """

    def __call__(self, record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """The input of `boxseg.teacher_student.TeacherStudent`; arguments as of `TrainingMapper`.

        Returns:
            Besides what `TrainingMapper` gives: `color_seed` for the student's colours, and
            `diagnostic_masks` bool (N, H, W) or None.
        """
        return self.with_part(record, rng)[0]

    def with_part(
        self, record: dict[str, Any], rng: np.random.Generator
    ) -> tuple[dict[str, Any], Part]:
        """What calling gives, and the part of the original that is seen."""
        x, part = super().with_part(record, rng)
        x["color_seed"] = int(rng.integers(2**31))
        x["diagnostic_masks"] = None
        if self.with_masks:
            x["diagnostic_masks"] = x["instances"].gt_masks.tensor
            x["instances"].remove("gt_masks")
        return x, part


class TeacherStudentMapper(SharedImageMapper):
    """Adds to the student's augmented image the teacher's unperturbed one.

    It shows the part of the original that the student's does, as large as it is in the whole image
    at the teacher's size.

    Args:
        reader, short_sides, max_side, flip, with_masks, jitter: see `TrainingMapper`.
        teacher_short_side: of the teacher's image, in pixels, where it is whole.
    """

    def __init__(
        self,
        reader: ImageReader,
        short_sides: Sequence[int],
        max_side: int,
        flip: bool,
        with_masks: bool,
        teacher_short_side: int,
        jitter: Resizing | None = None,
    ) -> None:
        super().__init__(reader, short_sides, max_side, flip, with_masks, jitter)
        self.teacher_short_side = teacher_short_side

    def __call__(self, record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """The input of `boxseg.teacher_student.TeacherStudent`; arguments as of `TrainingMapper`.

        Returns:
            Besides what `SharedImageMapper` gives: `teacher_image` uint8 (3, H', W') and
            `teacher_view`.
        """
        x, part = self.with_part(record, rng)
        height, width = record["height"], record["width"]
        whole = resized_shape(height, width, self.teacher_short_side, self.max_side)
        size = (
            max(round(part.height * whole[0] / height), 1),
            max(round(part.width * whole[1] / width), 1),
        )
        x["teacher_image"] = image_tensor(part.resized(self.reader(record), *size))
        x["teacher_view"] = View(*size)
        return x


class EvaluationMapper:
    """Resizes a record's image for evaluation; nothing of it is random.

    Args:
        reader: of the images.
        short_side, max_side: in pixels.
    """

    def __init__(self, reader: ImageReader, short_side: int, max_side: int) -> None:
        self.reader = reader
        self.short_side = short_side
        self.max_side = max_side

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """`image` uint8 (3, H, W), `height` and `width` of the original image, `image_id`."""
        height, width = record["height"], record["width"]
        new_size = resized_shape(height, width, self.short_side, self.max_side)
        image = T.ResizeTransform(height, width, *new_size).apply_image(self.reader(record))
        return {
            "image": image_tensor(image),
            "height": height,
            "width": width,
            "image_id": record["image_id"],
        }
