"""Mask losses from pseudo masks: quality-weighted Dice (Eq. 1), and affinity (from BoxTeacher).

An object has several positives, each predicting a mask of its own. Both losses run over the
positives whose object has a valid pseudo mask: they are the i of Eq. 1 and N_p counts them, as in
the released code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from boxseg.box_supervision import area_of_predictions
from boxseg.engine.distributed import shared_divisor
from boxseg.mask_losses import (
    LossTerms,
    MaskLoss,
    MaskPredictions,
    PseudoTargets,
    dice_loss,
)
from boxseg.pixel_pairs import DIRECTIONS, PairWeights, pair_costs, pair_views


def quality_weighted_mean(losses: Tensor, quality: Tensor) -> Tensor:
    """sum_i q_i L_i / max(N_p, 1), the reduction of Eq. 1; a scalar.

    The divisor is the number of pseudo masks and not the sum of their qualities: where all are poor
    all weigh little.

    Args:
        losses: (N_p,), of everything that has a valid pseudo mask.
        quality: (N_p,), in [0, 1].
    """
    return (quality * losses).sum() / shared_divisor(len(losses), 1, losses.device)


def mean_over_taught(losses: Tensor, targets: PseudoTargets, object_index: Tensor) -> Tensor:
    """`quality_weighted_mean` over the positives whose object has a valid pseudo mask.

    The others weigh nothing; to leave them out would make the host wait to know how many they are.

    Args:
        losses: (P,), of all positives.
        targets: of N objects.
        object_index: int64 (P,).
    """
    taught = targets.valid[object_index]
    quality = targets.quality[object_index] * taught
    return (quality * losses).sum() / shared_divisor(taught.sum(dtype=losses.dtype), 1)


def linear_warmup(iteration: int, iterations: int) -> float:
    """Factor growing from 0 to 1 over so many iterations; 1 for 0 iterations."""
    return min(iteration / max(iterations, 1), 1.0)


class PseudoMaskDice(MaskLoss):
    """Dice with the pseudo mask inside the box, weighted by the mask's quality (Eq. 1).

    L = weight x warm-up x sum_i q_i Dice_i / max(N_p, 1). The paper's Eq. 1 has neither weight nor
    warm-up; the released code has both, without which the first pseudo masks are noise.

    Args:
        weight: of the term.
        warmup_iterations: over which it grows linearly from 0.
    """

    needs_pseudo_masks = True

    def __init__(self, weight: float = 0.5, warmup_iterations: int = 10_000) -> None:
        super().__init__()
        self.weight = weight
        self.warmup_iterations = warmup_iterations

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        targets = predictions.pseudo_targets
        index = predictions.object_index
        probabilities = predictions.logits.sigmoid()
        if targets.unsure is not None:
            probabilities = probabilities * ~targets.unsure[index]
        dice = dice_loss(probabilities, targets.masks[index].to(probabilities.dtype))
        loss = mean_over_taught(dice, targets, index)
        warmup = linear_warmup(predictions.iteration, self.warmup_iterations)
        return LossTerms(
            losses={"loss_mask": loss * (self.weight * warmup)},
            diagnostics={
                "pseudo_dice_raw": loss.detach(),
                "pseudo_mask_warmup": loss.new_full((), warmup),
            },
        )


def agreeing_pairs(masks: Tensor, dilation: int) -> Sequence[Tensor]:
    """Pixel pairs to which masks (N, h, w) give one label: per direction of `pair_views`, bool.

    BoxTeacher relates pairs whose affinity s t + (1 - s)(1 - t) is at least 0.5, where s and t are
    the pixels of the mean of the mask and its average over 3x3 pixels. Those are the agreeing
    pairs: the affinity is 0.5 + 2 (s - 0.5)(t - 0.5), and s is above 0.5 exactly on the mask.
    """
    related = []
    for direction in DIRECTIONS:
        first, second = pair_views(masks, direction, dilation)
        related.append(first == second)
    return related


class PseudoMaskAffinity(MaskLoss):
    """Neighbours that the pseudo mask gives one label should carry one label (from BoxTeacher).

    BoxInst's pairwise term with the pseudo mask in the place of colour: per positive the mean of
    -log P(both carry the same label) over the pairs inside the box on which the pseudo mask agrees;
    then weighted by quality as in `PseudoMaskDice`. The released BoxSeg keeps it; the paper does
    not name it.

    Args:
        weight: of the term.
        warmup_iterations: over which it grows linearly from 0.
        bottom_rows_removed: rows of the original image that are left out (10 on COCO).
        dilation: distance of a pixel's 8 neighbours, in mask pixels.
    """

    needs_pseudo_masks = True

    def __init__(
        self,
        weight: float = 0.1,
        warmup_iterations: int = 10_000,
        bottom_rows_removed: int = 10,
        dilation: int = 2,
    ) -> None:
        super().__init__()
        self.weight = weight
        self.warmup_iterations = warmup_iterations
        self.bottom_rows_removed = bottom_rows_removed
        self.dilation = dilation

    def related_pairs(self, masks: Tensor) -> Sequence[Tensor]:
        """How far pixel pairs of masks, bool (N, h, w), should be labelled alike: `PairWeights`."""
        return agreeing_pairs(masks, self.dilation)

    def pair_weights(self, predictions: MaskPredictions, targets: PseudoTargets) -> PairWeights:
        """Weights of the pixel pairs of N objects."""
        area = area_of_predictions(predictions, self.bottom_rows_removed)
        related = self.related_pairs(targets.masks)
        if targets.unsure is not None:
            sure = [pair_views(~targets.unsure, d, self.dilation) for d in DIRECTIONS]
            related = [r * (a & b) for r, (a, b) in zip(related, sure, strict=True)]
        return PairWeights.of(related, area[predictions.image_index], targets.boxes, self.dilation)

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        targets = predictions.pseudo_targets
        with torch.no_grad():
            weights = self.pair_weights(predictions, targets)
        index = predictions.object_index
        sums = pair_costs(predictions.logits, weights, index)
        means = sums / weights.total[index].clamp(min=1)
        loss = mean_over_taught(means, targets, index)
        warmup = linear_warmup(predictions.iteration, self.warmup_iterations)
        return LossTerms(
            losses={"loss_mask_affinity": loss * (self.weight * warmup)},
            diagnostics={"pseudo_affinity_raw": loss.detach()},
        )
