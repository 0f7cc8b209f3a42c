"""What a pseudo labeller is given and what it gives, for one image.

A teacher-student step knows these types and no method by name; a pseudo labeller knows these types
and no detector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from detectron2.structures import Instances
from torch import Tensor, nn


@dataclass(frozen=True)
class ObjectPredictions:
    """What the teacher predicts for an image's objects, at the places its training assigns them.

    Attributes:
        probabilities: (P, H, W) masks, at the teacher's mask stride.
        scores: (P,), in [0, 1].
        object_index: int64 (P,), the object of each; an object may have none.
    """

    probabilities: Tensor
    scores: Tensor
    object_index: Tensor


@dataclass(frozen=True)
class TeacherInternals:
    """What a teacher has besides its predictions of one image, on the grid of that image.

    Attributes:
        mask_features: (D, h, w), what the masks are made of, over the area of the masks.
        at_objects: from the image's objects, with `gt_boxes` and `gt_classes` in the frame, to what
            is predicted for them.
    """

    mask_features: Tensor
    at_objects: Callable[[Instances], ObjectPredictions]


@dataclass(frozen=True)
class TeacherPredictions:
    """What the teacher predicts on one image, before non-maximum suppression.

    The frame is the coordinate system of the image's objects: pixels of the image that `gt_boxes`
    refer to.

    Attributes:
        boxes: (M, 4), XYXY in pixels of the frame.
        scores: (M,), in [0, 1].
        classes: int64 (M,).
        image_size: (height, width) of the frame, in pixels.
        original_scale: pixels of the original image per pixel of the frame, along a side.
        mask_stride: of the masks, in pixels of the frame; row i of a mask stands for the pixel row
            mask_stride // 2 + mask_stride * i, and columns likewise.
        masks_of: masks of some predictions: from int64 (n,) indices into the M to probabilities
            (n, H, W) at `mask_stride`; H and W are the same in every call, also for n = 0. Masks
            are costly, so a labeller asks only for those it needs, a bounded number at a time.
        suppressed: the predictions that survive class-wise non-maximum suppression: int64 (n,)
            indices into the M, best score first.
        internals: what a few labellers need besides; None of a host that does not declare it
            (`Segmenter.gives_object_predictions`), and in a frame that is not the teacher's own
            image (`TeacherFrame.keeps_grid`).
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    image_size: tuple[int, int]
    original_scale: float
    mask_stride: int
    masks_of: Callable[[Tensor], Tensor]
    suppressed: Callable[[], Tensor]
    internals: TeacherInternals | None = None


@dataclass(frozen=True)
class PseudoMasks:
    """Pseudo masks of one image's N objects, in their order.

    Attributes:
        probabilities: (N, H, W) at the teacher's mask stride, not cut to the boxes, so that they
            can be resampled; 0 where not valid.
        threshold: foreground are the pixels above it; one for all objects, or (N,).
        masks: bool (N, H, W), the foreground inside the objects' boxes.
        quality: (N,), in [0, 1]; 0 where not valid.
        scores: (N,), mean score of the predictions each pseudo mask was made of, in [0, 1]; 0 where
            not valid.
        valid: bool (N,), the object has a pseudo mask.
        candidates: int64 (N,), how many predictions each pseudo mask was made of.
        background_threshold: background are the pixels below it; those between it and the
            `threshold` are unsure. None if all that is not foreground is background.
    """

    probabilities: Tensor
    threshold: float | Tensor
    masks: Tensor
    quality: Tensor
    scores: Tensor
    valid: Tensor
    candidates: Tensor
    background_threshold: float | None = None


class PseudoLabeller(nn.Module, ABC):
    """Makes pseudo masks for the objects of one image, without gradient.

    It is a module of the teacher-student step: its parameters and buffers are in the checkpoint,
    and a memory or a random generator besides is what its `get_extra_state` gives.

    What it needs is declared, so that it can be read from the class before anything is built:

    Attributes:
        needs_true_masks: the objects' `true_masks`, bool (N, H, W) in pixels of the frame, so that
            the data must be loaded with masks for diagnosis.
        needs_object_predictions: `TeacherInternals.at_objects`; the host must give them
            (`Segmenter.gives_object_predictions`), in a frame that keeps the teacher's grid.
        needs_mask_features: `TeacherInternals.mask_features`; the host must give them
            (`Segmenter.gives_mask_features`), in a frame that keeps the teacher's grid.
        equal_weights: its masks weigh alike in losses whatever their quality, which then only
            ranks them.
    """

    needs_true_masks: ClassVar[bool] = False
    needs_object_predictions: ClassVar[bool] = False
    needs_mask_features: ClassVar[bool] = False
    equal_weights: ClassVar[bool] = False

    @abstractmethod
    def forward(self, predictions: TeacherPredictions, objects: Instances) -> PseudoMasks:
        """Label one image.

        Args:
            predictions: of the teacher.
            objects: N, with `gt_boxes` and `gt_classes` in the frame of the predictions.
        """

    def synchronise(self) -> None:
        """Make what several processes have learned the same, before every step."""
