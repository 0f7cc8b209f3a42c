"""What a mask loss sees, the Dice term, and supervision by true masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from detectron2.structures import Instances
from torch import Tensor

from boxseg.engine.distributed import shared_divisor
from boxseg.errors import InputError


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


def sampled_masks(objects: Instances, stride: int, height: int, width: int) -> Tensor:
    """True masks at the cells of a map: bool (N, height, width).

    A cell takes the pixel at its location, row and column stride // 2 + stride * index; outside the
    stored masks it is False.

    Raises:
        InputError: the objects carry no masks.
    """
    if not objects.has("gt_masks"):
        raise InputError(
            "mask-supervised training needs the masks of the training objects, but they were not "
            "loaded; set load_masks=true."
        )
    sampled = objects.gt_masks.tensor[:, stride // 2 :: stride, stride // 2 :: stride]
    full = sampled.new_zeros((len(objects), height, width), dtype=torch.bool)
    full[:, : sampled.shape[1], : sampled.shape[2]] = sampled[:, :height, :width]
    return full


class MaskSupervision:
    """Dice with the true mask: CondInst's mask loss, the mask-supervised upper bound."""

    def __call__(self, predictions: MaskPredictions) -> LossTerms:
        height, width = predictions.logits.shape[-2:]
        masks = torch.cat(
            [sampled_masks(o, predictions.stride, height, width) for o in predictions.objects]
        ).to(predictions.logits.device)
        targets = masks[predictions.object_index].to(predictions.logits.dtype)
        dice = dice_loss(predictions.logits.sigmoid(), targets)
        return LossTerms({"loss_mask": dice.sum() / shared_divisor(len(dice), 1, dice.device)}, {})
