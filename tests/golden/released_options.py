"""Options of the released codes that no configuration of theirs turns on; for parity alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions, dice_loss
from boxseg.pseudo_mask_losses import PseudoMaskAffinity, linear_warmup, quality_weighted_mean
from boxseg.quality_aware.released import majority_vote_masks


class PseudoMaskProfiles(MaskLoss):
    """Dice of the masks' means over columns and over rows with the pseudo mask's (`WITH_AVG_LOSS`).

    BoxInst's projection term with means in the place of maxima and the pseudo mask in the place of
    the box, weighted by quality as in `PseudoMaskDice`.

    Args:
        weight: of the term.
        warmup_iterations: over which it grows linearly from 0.
    """

    needs_pseudo_masks = True

    def __init__(self, weight: float = 0.1, warmup_iterations: int = 10_000) -> None:
        super().__init__()
        self.weight = weight
        self.warmup_iterations = warmup_iterations

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        targets = predictions.pseudo_targets
        taught = targets.valid[predictions.object_index]
        index = predictions.object_index[taught]
        probabilities = predictions.logits[taught].sigmoid()
        masks = targets.masks[index].to(probabilities.dtype)
        dice = dice_loss(probabilities.mean(dim=1), masks.mean(dim=1))
        dice = dice + dice_loss(probabilities.mean(dim=2), masks.mean(dim=2))
        loss = quality_weighted_mean(dice, targets.quality[index])
        warmup = linear_warmup(predictions.iteration, self.warmup_iterations)
        return LossTerms({"loss_avg": loss * (self.weight * warmup)}, {})


class DividedByQuality(MaskLoss):
    """A term on pseudo masks as a weighted mean, sum q L / sum q (`FIX_REDUCTION` off).

    Eq. 1 divides by the number of positives, so that where all masks are poor all weigh little;
    here masks count by how good they are among the others.

    Args:
        term: reduced by `quality_weighted_mean`.
    """

    needs_pseudo_masks = True

    def __init__(self, term: MaskLoss) -> None:
        super().__init__()
        self.term = term

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        terms = self.term(predictions)
        targets, index = predictions.pseudo_targets, predictions.object_index
        taught = targets.quality[index[targets.valid[index]]]
        factor = len(taught) / taught.sum().clamp(min=torch.finfo(taught.dtype).tiny)
        losses = {name: loss * factor for name, loss in terms.losses.items()}
        return LossTerms(losses, terms.diagnostics)


class SoftPseudoMaskAffinity(PseudoMaskAffinity):
    """`PseudoMaskAffinity` over all pairs inside the box, weighted by exp(-|m_p - m_q|).

    On a binary pseudo mask m the weight is 1 for pairs that agree and 1 / e for the others. The
    released configurations set `MASK_AFFINITY_BINARY`, which keeps weights above 0.5 alone, and
    those as 1: the agreeing pairs. The form was read off the released code's numbers.
    """

    def related_pairs(self, masks: Tensor) -> Sequence[Tensor]:
        """Weights of pixel pairs, 1 or 1 / e, for masks bool (N, h, w)."""
        agreeing = super().related_pairs(masks)
        return [torch.where(related, 1.0, math.exp(-1)) for related in agreeing]


def steadiest_thresholds(
    masks: Tensor, valid: Tensor, classes: Tensor, step: float = 0.02
) -> Tensor:
    """Pixel thresholds at which an object's candidates differ least from one another.

    The released code has them as an option that all its configurations leave off. Looked through
    are 0.5 - d, ..., 0.5 + d with d = 0.2 - 0.1 r, where r is the number of the image's objects of
    this class divided by that of its commonest class. What is least is the standard deviation over
    the candidates of a pixel's foreground bit, averaged over the pixels; of equal values the lowest
    threshold is taken.

    Args:
        masks: (N, K, H, W), probabilities.
        valid: bool (N, K).
        classes: int64 (N,), of the objects.
        step: between thresholds looked at.

    Returns:
        float32 (N,), in [0.3, 0.7]; 0.5 where there is no candidate.
    """
    counts = (classes[:, None] == classes).sum(dim=1)
    rates = counts / counts.max() if len(counts) else counts.float()
    half_widths = 0.2 - 0.1 * rates
    best = masks.new_full((len(masks),), torch.inf, dtype=torch.float32)
    thresholds = torch.full_like(best, 0.5)
    some = valid.any(dim=1)
    # The widest range has 2 x 0.2 / step + 1 thresholds; narrower ones end earlier.
    for number in range(round(0.4 / step) + 1):
        tried = 0.5 - half_widths + number * step
        share = majority_vote_masks(masks.float(), valid, tried)
        spread = (share * (1 - share)).sqrt().flatten(1).mean(dim=1)
        better = some & (spread < best) & (tried <= 0.5 + half_widths + 1e-6)
        best = torch.where(better, spread, best)
        thresholds = torch.where(better, tried, thresholds)
    return thresholds
