"""What the teacher is shown, and how labels go from its frame to the student's view.

A pseudo labeller works in the frame of the predictions, so the frame also says at what resolution
pseudo masks are made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.aligned_upsample import aligned_upsample
from boxseg.box_masks import box_masks
from boxseg.errors import InputError
from boxseg.pseudo_labels import PseudoMasks, TeacherPredictions
from boxseg.segmenter import Segmenter
from boxseg.views import View, boxes_between, maps_between


class TeacherFrame(ABC):
    """Shows a batch to the teacher.

    Attributes:
        keeps_grid: labels are made on the grid of the teacher's own image, where its mask features
            and its predictions for objects are; declared, so that it can be read from the class.
    """

    keeps_grid: ClassVar[bool] = True

    @abstractmethod
    def __call__(
        self, teacher: Segmenter, batch: Sequence[Mapping[str, Any]]
    ) -> tuple[TeacherPredictions, list[View]]:
        """The teacher's predictions and, per image, the view whose pixels are their frame.

        Args:
            teacher: the network.
            batch: the input of `boxseg.teacher_student.TeacherStudent`.
        """


class OwnFrame(TeacherFrame):
    """The teacher's own image and its own pixels: labels are made at the masks' stride."""

    def __call__(
        self, teacher: Segmenter, batch: Sequence[Mapping[str, Any]]
    ) -> tuple[TeacherPredictions, list[View]]:
        predictions = teacher.proposals(
            [x["teacher_image"] for x in batch], [int(x["height"]) for x in batch]
        )
        return predictions, [x["teacher_view"] for x in batch]


class SharedImage(TeacherFrame):
    """The student's image as it is before its colours are changed and anything is pasted.

    What the teacher computes of it serves the student's losses too.
    """

    def __call__(
        self, teacher: Segmenter, batch: Sequence[Mapping[str, Any]]
    ) -> tuple[TeacherPredictions, list[View]]:
        predictions = teacher.proposals(
            [x["image"] for x in batch], [int(x["height"]) for x in batch]
        )
        return predictions, [x["student_view"] for x in batch]


class StudentFrame(TeacherFrame):
    """The student's image, resized, and the student's pixels, as BoxTeacher's and BoxSeg's code.

    The image is that before the augmentation of colours, mirrored where the student's is; it is
    resized bilinearly, without rounding to whole values. Labels are made at every pixel of the
    student's image, which takes the square of the masks' stride in memory.

    Args:
        short_side, max_side: of the teacher's image, in pixels.
    """

    keeps_grid = False

    def __init__(self, short_side: int = 800, max_side: int = 1333) -> None:
        self.short_side = short_side
        self.max_side = max_side

    def __call__(
        self, teacher: Segmenter, batch: Sequence[Mapping[str, Any]]
    ) -> tuple[TeacherPredictions, list[View]]:
        images = [self.resized(x["image"].to(teacher.device)) for x in batch]
        predictions = teacher.proposals(images, [int(x["height"]) for x in batch])
        views = [x["student_view"] for x in batch]
        return in_resized_images(predictions, [(v.height, v.width) for v in views]), views

    def resized(self, image: Tensor) -> Tensor:
        """An image (3, H, W) at the teacher's size: float32."""
        size = ResizeShortestEdge.get_output_shape(*image.shape[1:], self.short_side, self.max_side)
        return F.interpolate(image[None].float(), size, mode="bilinear", align_corners=False)[0]


def in_resized_images(
    predictions: TeacherPredictions, sizes: Sequence[tuple[int, int]]
) -> TeacherPredictions:
    """The same predictions in the pixels of their images resized, with masks at every pixel.

    Args:
        predictions: at any stride of their masks.
        sizes: per image, height and width once resized.
    """
    device, images = predictions.device, predictions.image_index
    before = predictions.image_sizes
    scales = torch.tensor(
        [(size[1] / old[1], size[0] / old[0]) for size, old in zip(sizes, before, strict=True)],
        dtype=predictions.boxes.dtype,
    ).to(device, non_blocking=True)
    return replace(
        predictions,
        boxes=predictions.boxes * scales.repeat(1, 2)[images],
        image_sizes=list(sizes),
        original_scales=[
            scale * old[0] / size[0]
            for scale, old, size in zip(predictions.original_scales, before, sizes, strict=True)
        ],
        mask_stride=1,
        masks_of=partial(_resized_masks, predictions, sizes),
        internals=None,  # they are on the grid of the images that were resized
    )


def _resized_masks(
    predictions: TeacherPredictions,
    sizes: Sequence[tuple[int, int]],
    indices: Tensor,
    counts: Sequence[int],
) -> Tensor:
    """Masks of some predictions at every pixel of their resized images, padded to one size."""
    masks = predictions.masks_of(indices, counts)[:, None].float()
    fine = aligned_upsample(masks, predictions.mask_stride)
    ways = list(zip(predictions.image_sizes, sizes, strict=True))
    if len(set(ways)) == 1:
        return _resized(fine, *ways[0])
    rows, columns = (max(size[axis] for size in sizes) for axis in (0, 1))
    padded = fine.new_zeros(len(indices), rows, columns)
    parts = zip(fine.split(list(counts)), padded.split(list(counts)), ways, strict=True)
    for masks_of_image, place, (old, new) in parts:
        place[:, : new[0], : new[1]] = _resized(masks_of_image, old, new)
    return padded


def _resized(masks: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    inside = masks[..., : old[0], : old[1]]
    return F.interpolate(inside, new, mode="bilinear", align_corners=False)[:, 0]


def objects_in_view(objects: Instances, source: View, target: View) -> Instances:
    """Boxes and classes of objects of the source view, in the pixels of the target view."""
    there = Instances((target.height, target.width))
    there.gt_boxes = Boxes(boxes_between(objects.gt_boxes.tensor, source, target))
    there.gt_classes = objects.gt_classes
    return there


@dataclass(frozen=True)
class FrameLabels:
    """The pseudo masks of an image's objects, in the frame that they were made in.

    Attributes:
        labels: of the objects, in their order.
        stride: of the probabilities, in pixels of the frame.
        frame: the view whose pixels they are in.
    """

    labels: PseudoMasks
    stride: int
    frame: View


def probabilities_in_view(labels: PseudoMasks, stride: int, source: View, target: View) -> Tensor:
    """Probabilities of pseudo masks at each pixel of the target view: float32 (N, height, width).

    Args:
        labels: probabilities at the stride.
        stride: of them, in pixels of the source view.
        source, target: the frame of the labels and the view that they are wanted in.
    """
    fine = aligned_upsample(labels.probabilities[:, None].float(), stride)[:, 0]
    return maps_between(fine[:, : source.height, : source.width], source, target)


def labels_in_view(
    labels: PseudoMasks, boxes: Tensor, stride: int, source: View, target: View
) -> tuple[Tensor, Tensor | None]:
    """Pseudo masks binarised inside their boxes, and the pixels that are unsure, if any are.

    Both are bool (N, height, width) of the target view.

    Args:
        labels: probabilities at the stride.
        boxes: (N, 4), XYXY in pixels of the target view.
        stride: of the probabilities, in pixels of the source view.
        source, target: the frame of the labels and the student's view.
    """
    inside = box_masks(boxes, 1, target.height, target.width)
    maps = probabilities_in_view(labels, stride, source, target)
    threshold = torch.as_tensor(labels.threshold, device=maps.device).reshape(-1, 1, 1)
    masks = (maps > threshold) & inside
    if labels.background_threshold is None:
        return masks, None
    return masks, (maps >= labels.background_threshold) & inside & ~masks


def true_masks_in_frame(x: Mapping[str, Any], frame: View, student_view: View) -> Tensor:
    """The true masks in the pixels of the labels' frame, for the oracle: bool (N, H, W).

    Raises:
        InputError: the data carry no true masks.
    """
    truth = x.get("diagnostic_masks")
    if truth is None:
        raise InputError(
            "the oracle needs the true masks of the training data; set dataset.diagnose=true on "
            "data that have them."
        )
    return maps_between(truth.float(), student_view, frame) > 0.5
