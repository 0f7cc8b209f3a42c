"""What a loss on masks is given and gives, and the Dice term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from detectron2.structures import Instances
from torch import Tensor


@dataclass(frozen=True)
class MaskPredictions:
    """Predicted masks of a batch's positives, and what they are compared with.

    Attributes:
        logits: float32 (P, h, w) at `stride`.
        object_index: int64 (P,), into the objects of all images one after the other.
        objects: per image, Instances with `gt_boxes`, `gt_classes` and what the loss needs besides.
        images: (B, 3, H, W), the network's input images before normalisation, 0-255, zero-padded
            to one size.
        image_sizes: per image, (height, width) without padding.
        original_heights: per image, in pixels, before resizing.
        stride: of the masks, in pixels.
        iteration: of the training, 1 for the first.
        teacher_features: (B, D, h', w'), a teacher's mask features of the same images, padded to
            one size; None without a teacher, or where no term asks for them
            (`needs_teacher_features`).
    """

    logits: Tensor
    object_index: Tensor
    objects: Sequence[Instances]
    images: Tensor
    image_sizes: Sequence[tuple[int, int]]
    original_heights: Sequence[int]
    stride: int
    iteration: int
    teacher_features: Tensor | None = None


@dataclass(frozen=True)
class LossTerms:
    """What a loss gives.

    Attributes:
        losses: scalars to be summed, weights and warm-up applied.
        diagnostics: scalars to be logged and never summed.
    """

    losses: dict[str, Tensor]
    diagnostics: dict[str, Tensor]


class MaskLoss(Protocol):
    """A term of the mask loss."""

    def __call__(self, predictions: MaskPredictions) -> LossTerms: ...


def dice_loss(probabilities: Tensor, targets: Tensor) -> Tensor:
    """1 - 2 |x t| / (|x|^2 + |t|^2 + 1e-5), per row.

    Args:
        probabilities, targets: (P, ...), in [0, 1].

    Returns:
        (P,), in [0, 1].
    """
    x, t = probabilities.flatten(1), targets.flatten(1)
    return 1 - 2 * (x * t).sum(dim=1) / ((x * x).sum(dim=1) + (t * t).sum(dim=1) + 1e-5)
