"""What a pseudo labeller is given and what it gives, for one image.

A teacher-student step knows these types and no method by name; a pseudo labeller knows these types
and no detector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from detectron2.structures import Instances
from torch import Tensor


@dataclass(frozen=True)
class ObjectPredictions:
    """What the teacher predicts at the cells that its training assigns to an image's objects.

    Attributes:
        probabilities: (P, H, W) masks, at the teacher's mask stride, of the best-scored cells.
        scores: (P,), in [0, 1].
        object_index: int64 (P,), the object of each; an object may have none.
    """

    probabilities: Tensor
    scores: Tensor
    object_index: Tensor


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
        of_batch: from the objects, with `gt_boxes` and `gt_classes` in the frames, of all images of
            the batch that this one was in, to what is predicted at their cells, image by image;
            None for a detector that assigns no cells.
        at_objects: that of this image, for labellers that ask for it.
        mask_features: (D, h, w), what the masks are made of, over the area of the masks; None for a
            detector that has none.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    image_size: tuple[int, int]
    original_scale: float
    mask_stride: int
    masks_of: Callable[[Tensor], Tensor]
    suppressed: Callable[[], Tensor]
    of_batch: Callable[[Sequence[Instances]], list[ObjectPredictions]] | None = None
    at_objects: ObjectPredictions | None = None
    mask_features: Tensor | None = None


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
            there were none. Predictions that agree on no pixel leave a score but no pseudo mask.
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


class PseudoLabeller(Protocol):
    """Makes pseudo masks for the objects of one image, without gradient.

    It may have attributes besides: `needs_true_masks`, to be given the objects' `true_masks`;
    `needs_object_predictions`, to be given the predictions `at_objects`;
    `equal_weights`, for masks that weigh alike in losses whatever their quality, which then only
    ranks them; and a method `synchronise()`, called before every step, for one that learns: what
    several processes have learned becomes the same.
    """

    def __call__(self, predictions: TeacherPredictions, objects: Instances) -> PseudoMasks:
        """Label one image.

        Args:
            predictions: of the teacher.
            objects: N, with `gt_boxes` and `gt_classes` in the frame of the predictions.
        """
        ...


@runtime_checkable
class RememberingLabeller(PseudoLabeller, Protocol):
    """A labeller with a memory, or a random generator, of its own: the checkpoint keeps it."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors on the CPU, numbers, strings and containers of them."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> Any:
        """Continue from what `state_dict` gave."""
        ...
