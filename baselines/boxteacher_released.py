"""What BoxTeacher's released code does where it departs from its paper; for parity.

The moving average of parameters alone is `boxseg.ema.update_ema_parameters`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.box_assignment import GreedyAssignment
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions, dice_loss
from boxseg.pseudo_mask_losses import PseudoTargets, linear_warmup, quality_weighted_mean


class ReleasedAssignment(GreedyAssignment):
    """Greedy assignment with a slip: an object that prediction 0 has taken still counts as free.

    The released code marks an object as taken with the index of its prediction and tests the mark
    for being above 0. So prediction 0 keeps nobody from an object, and keeps an object only if
    nobody after it takes it.
    """

    def __call__(self, pred_boxes: Tensor, scores: Tensor, gt_boxes: Tensor) -> Tensor:
        others = super().__call__(pred_boxes[1:], scores[1:], gt_boxes)
        others = torch.where(others >= 0, others + 1, -1)
        if len(scores) == 0:
            return others
        free = (others < 0) | (scores[others.clamp(min=0)] <= scores[0])
        first = torch.full_like(others, -1)
        first[free] = super().__call__(pred_boxes[:1], scores[:1], gt_boxes[free])
        return torch.where(others >= 0, others, first)


class PseudoMaskProfiles:
    """Dice of the masks' means over columns and over rows with the pseudo mask's (`WITH_AVG_LOSS`).

    BoxInst's projection term with means in the place of maxima and the pseudo mask in the place of
    the box, weighted by quality as in `PseudoMaskDice`.

    Args:
        weight: of the term.
        warmup_iterations: over which it grows linearly from 0.
    """

    def __init__(self, weight: float = 0.1, warmup_iterations: int = 10_000) -> None:
        self.weight = weight
        self.warmup_iterations = warmup_iterations

    def __call__(self, predictions: MaskPredictions) -> LossTerms:
        targets = PseudoTargets.of(predictions)
        taught = targets.valid[predictions.object_index]
        index = predictions.object_index[taught]
        probabilities = predictions.logits[taught].sigmoid()
        masks = targets.masks[index].to(probabilities.dtype)
        dice = dice_loss(probabilities.mean(dim=1), masks.mean(dim=1))
        dice = dice + dice_loss(probabilities.mean(dim=2), masks.mean(dim=2))
        loss = quality_weighted_mean(dice, targets.quality[index])
        warmup = linear_warmup(predictions.iteration, self.warmup_iterations)
        return LossTerms({"loss_avg": loss * (self.weight * warmup)}, {})


class DividedByQuality:
    """A term on pseudo masks as a weighted mean, sum q L / sum q (`FIX_REDUCTION` off).

    Eq. 1 divides by the number of positives, so that where all masks are poor all weigh little;
    here masks count by how good they are among the others.

    Args:
        term: reduced by `quality_weighted_mean`.
    """

    def __init__(self, term: MaskLoss) -> None:
        self.term = term

    def __call__(self, predictions: MaskPredictions) -> LossTerms:
        terms = self.term(predictions)
        device, index = predictions.logits.device, predictions.object_index
        valid = torch.cat([o.pseudo_valid for o in predictions.objects]).to(device)
        quality = torch.cat([o.pseudo_quality for o in predictions.objects]).to(device).float()
        taught = quality[index[valid[index]]]
        factor = len(taught) / taught.sum().clamp(min=torch.finfo(taught.dtype).tiny)
        losses = {name: loss * factor for name, loss in terms.losses.items()}
        return LossTerms(losses, terms.diagnostics)
