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
from boxseg.views import View


def resized_shape(height: int, width: int, short_side: int, max_side: int) -> tuple[int, int]:
    """Size at which the short side is `short_side`, unless the long one would pass `max_side`.

    However thin the image, a pixel is left of its short side.
    """
    shape = T.ResizeShortestEdge.get_output_shape(height, width, short_side, max_side)
    return max(shape[0], 1), max(shape[1], 1)


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

    Args:
        reader: of the images.
        short_sides: sizes of the short side, in pixels, one of which is drawn.
        max_side: limit of the long side, in pixels.
        flip: mirror half of the images.
        with_masks: carry the true masks along (mask-supervised training only).
    """

    def __init__(
        self,
        reader: ImageReader,
        short_sides: Sequence[int],
        max_side: int,
        flip: bool,
        with_masks: bool,
    ) -> None:
        self.reader = reader
        self.short_sides = tuple(short_sides)
        self.max_side = max_side
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
            `student_view`, how the image was made from the original.
        """
        height, width = record["height"], record["width"]
        transform, view = self.drawn(height, width, rng)
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
        return {
            "image": image_tensor(transform.apply_image(self.reader(record))),
            "height": height,
            "width": width,
            "image_id": record["image_id"],
            "instances": objects,
            "student_view": view,
        }

    def drawn(
        self, height: int, width: int, rng: np.random.Generator
    ) -> tuple[T.TransformList, View]:
        """How an image of this size is changed, and the view that it becomes."""
        short_side = self.short_sides[int(rng.integers(len(self.short_sides)))]
        flipped = self.flip and bool(rng.integers(2))
        view = View(*resized_shape(height, width, short_side, self.max_side), flipped)
        steps: list[T.Transform] = [T.ResizeTransform(height, width, view.height, view.width)]
        if flipped:
            steps.append(T.HFlipTransform(view.width))
        return T.TransformList(steps), view


class LargeScaleJitterMapper(TrainingMapper):
    """Resizes an image by far, and cuts a part out of what is then larger than a square.

    Large-scale jitter (Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for
    Instance Segmentation", CVPR 2021). Of an object that is cut the box, and the mask, of what is
    left is trained; one of which nothing is left is gone. An image that is smaller than the square
    is padded no further than its batch. `student_view` tells the size of the part, not where it
    was: a teacher has to be shown the same part.

    Args:
        reader, flip, with_masks: see `TrainingMapper`.
        side: of the square, in pixels.
        least, greatest: bounds of the scale that is drawn: an image fits a square of scale x side.
    """

    def __init__(
        self,
        reader: ImageReader,
        flip: bool,
        with_masks: bool,
        side: int,
        least: float = 0.1,
        greatest: float = 2.0,
    ) -> None:
        super().__init__(reader, (side,), side, flip, with_masks)
        self.least = least
        self.greatest = greatest

    def __call__(self, record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """See `TrainingMapper`."""
        x = super().__call__(record, rng)
        x["instances"] = x["instances"][x["instances"].gt_boxes.nonempty()]
        return x

    def drawn(
        self, height: int, width: int, rng: np.random.Generator
    ) -> tuple[T.TransformList, View]:
        factor = rng.uniform(self.least, self.greatest) * self.max_side / max(height, width)
        whole = [max(round(length * factor), 1) for length in (height, width)]
        part = [min(length, self.max_side) for length in whole]
        top, left = (int(rng.integers(a - b + 1)) for a, b in zip(whole, part, strict=True))
        flipped = self.flip and bool(rng.integers(2))
        steps: list[T.Transform] = [T.ResizeTransform(height, width, *whole)]
        steps.append(T.CropTransform(left, top, part[1], part[0], whole[1], whole[0]))
        if flipped:
            steps.append(T.HFlipTransform(part[1]))
        return T.TransformList(steps), View(part[0], part[1], flipped)


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
        x = super().__call__(record, rng)
        x["color_seed"] = int(rng.integers(2**31))
        x["diagnostic_masks"] = None
        if self.with_masks:
            x["diagnostic_masks"] = x["instances"].gt_masks.tensor
            x["instances"].remove("gt_masks")
        return x


class TeacherStudentMapper(SharedImageMapper):
    """Adds to the student's augmented image the teacher's unperturbed one.

    Args:
        reader, short_sides, max_side, flip, with_masks: see `TrainingMapper`.
        teacher_short_side: of the teacher's image, in pixels.
    """

    def __init__(
        self,
        reader: ImageReader,
        short_sides: Sequence[int],
        max_side: int,
        flip: bool,
        with_masks: bool,
        teacher_short_side: int,
    ) -> None:
        super().__init__(reader, short_sides, max_side, flip, with_masks)
        self.teacher_short_side = teacher_short_side

    def __call__(self, record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """The input of `boxseg.teacher_student.TeacherStudent`; arguments as of `TrainingMapper`.

        Returns:
            Besides what `SharedImageMapper` gives: `teacher_image` uint8 (3, H', W') and
            `teacher_view`.
        """
        x = super().__call__(record, rng)
        height, width = record["height"], record["width"]
        size = resized_shape(height, width, self.teacher_short_side, self.max_side)
        image = T.ResizeTransform(height, width, *size).apply_image(self.reader(record))
        x["teacher_image"] = image_tensor(image)
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
