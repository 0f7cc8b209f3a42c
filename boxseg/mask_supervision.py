"""Supervision by true masks: the mask-supervised upper bound, CondInst itself."""

from __future__ import annotations

import torch
from detectron2.structures import Instances
from torch import Tensor

from boxseg.engine.distributed import shared_divisor
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions, dice_loss


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


class MaskSupervision(MaskLoss):
    """Dice with the true mask: CondInst's mask loss, the mask-supervised upper bound."""

    needs_true_masks = True

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        masks = torch.cat(
            [sampled_masks(o, predictions.stride, *predictions.size) for o in predictions.objects]
        ).to(predictions.logits.device)
        targets = masks[predictions.object_index].to(predictions.logits.dtype)
        dice = dice_loss(predictions.logits.sigmoid(), targets)
        return LossTerms({"loss_mask": dice.sum() / shared_divisor(len(dice), 1, dice.device)}, {})
