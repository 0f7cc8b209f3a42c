"""What the teacher is shown, and in whose pixels its predictions come.

A pseudo labeller works in the frame of the predictions, so the frame also says at what resolution
pseudo masks are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch.nn.functional as F
from detectron2.data.transforms import ResizeShortestEdge
from torch import Tensor

from boxseg.aligned_upsample import aligned_upsample
from boxseg.pseudo_labels import TeacherPredictions
from boxseg.segmenter import Segmenter
from boxseg.views import View


class TeacherFrame(Protocol):
    """Shows a batch to the teacher."""

    def __call__(
        self, teacher: Segmenter, batch: Sequence[Mapping[str, Any]]
    ) -> list[tuple[TeacherPredictions, View]]:
        """Per image, the teacher's predictions and the view whose pixels are their frame.

        Args:
            teacher: the network.
            batch: the input of `boxseg.teacher_student.TeacherStudent`.
        """
        ...


class OwnFrame:
    """The teacher's own image and its own pixels: labels are made at the masks' stride."""

    def __call__(
        self, teacher: Segmenter, batch: Sequence[Mapping[str, Any]]
    ) -> list[tuple[TeacherPredictions, View]]:
        predictions = teacher.proposals(
            [x["teacher_image"] for x in batch], [int(x["height"]) for x in batch]
        )
        views = [x["teacher_view"] for x in batch]
        return list(zip(predictions, views, strict=True))


class SharedImage:
    """The student's image as it is before its colours are changed and anything is pasted.

    What the teacher computes of it serves the student's losses too.
    """

    def __call__(
        self, teacher: Segmenter, batch: Sequence[Mapping[str, Any]]
    ) -> list[tuple[TeacherPredictions, View]]:
        predictions = teacher.proposals(
            [x["image"] for x in batch], [int(x["height"]) for x in batch]
        )
        return list(zip(predictions, [x["student_view"] for x in batch], strict=True))


class StudentFrame:
    """The student's image, resized, and the student's pixels, as BoxTeacher's and BoxSeg's code.

    The image is that before the augmentation of colours, mirrored where the student's is; it is
    resized bilinearly, without rounding to whole values. Labels are made at every pixel of the
    student's image, which takes the square of the masks' stride in memory.

    Args:
        short_side, max_side: of the teacher's image, in pixels.
    """

    def __init__(self, short_side: int = 800, max_side: int = 1333) -> None:
        self.short_side = short_side
        self.max_side = max_side

    def __call__(
        self, teacher: Segmenter, batch: Sequence[Mapping[str, Any]]
    ) -> list[tuple[TeacherPredictions, View]]:
        images = [self.resized(x["image"].to(teacher.device)) for x in batch]
        predictions = teacher.proposals(images, [int(x["height"]) for x in batch])
        views = [x["student_view"] for x in batch]
        return [
            (in_resized_image(predicted, (view.height, view.width)), view)
            for predicted, view in zip(predictions, views, strict=True)
        ]

    def resized(self, image: Tensor) -> Tensor:
        """An image (3, H, W) at the teacher's size: float32."""
        size = ResizeShortestEdge.get_output_shape(*image.shape[1:], self.short_side, self.max_side)
        return F.interpolate(image[None].float(), size, mode="bilinear", align_corners=False)[0]


def in_resized_image(predictions: TeacherPredictions, size: tuple[int, int]) -> TeacherPredictions:
    """The same predictions in the pixels of their image resized, with masks at every pixel.

    Args:
        predictions: at any stride of their masks.
        size: height and width of the resized image.
    """
    height, width = predictions.image_size
    scale = predictions.boxes.new_tensor([size[1] / width, size[0] / height])

    def masks_of(indices: Tensor) -> Tensor:
        masks = predictions.masks_of(indices)[:, None].float()
        fine = aligned_upsample(masks, predictions.mask_stride)[..., :height, :width]
        return F.interpolate(fine, size, mode="bilinear", align_corners=False)[:, 0]

    return replace(
        predictions,
        boxes=predictions.boxes * scale.repeat(2),
        image_size=size,
        original_scale=predictions.original_scale * height / size[0],
        mask_stride=1,
        masks_of=masks_of,
        of_batch=None,  # they and the features are on the grid of the image that was resized
        mask_features=None,
    )
