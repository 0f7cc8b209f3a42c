"""What a pseudo labeller is given and what it gives, for one image.

A teacher-student step knows these types and no method by name; a pseudo labeller knows these types
and no detector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from detectron2.structures import Instances
from torch import Tensor


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
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    image_size: tuple[int, int]
    original_scale: float
    mask_stride: int
    masks_of: Callable[[Tensor], Tensor]
    suppressed: Callable[[], Tensor]


@dataclass(frozen=True)
class PseudoMasks:
    """Pseudo masks of one image's N objects, in their order.

    Attributes:
        probabilities: (N, H, W) at the teacher's mask stride, not cut to the boxes, so that they
            can be resampled; 0 where not valid.
        threshold: foreground are the pixels above it.
        masks: bool (N, H, W), the foreground inside the objects' boxes.
        quality: (N,), in [0, 1]; 0 where not valid.
        scores: (N,), mean score of the predictions each pseudo mask was made of, in [0, 1]; 0 where
            not valid.
        valid: bool (N,), the object has a pseudo mask.
        candidates: int64 (N,), how many predictions each pseudo mask was made of.
    """

    probabilities: Tensor
    threshold: float
    masks: Tensor
    quality: Tensor
    scores: Tensor
    valid: Tensor
    candidates: Tensor


class PseudoLabeller(Protocol):
    """Makes pseudo masks for the objects of one image, without gradient."""

    def __call__(self, predictions: TeacherPredictions, objects: Instances) -> PseudoMasks:
        """Label one image.

        Args:
            predictions: of the teacher.
            objects: N, with `gt_boxes` and `gt_classes` in the frame of the predictions.
        """
        ...
