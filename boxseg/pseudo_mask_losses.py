"""Mask losses from pseudo masks: quality-weighted Dice (Eq. 1), and affinity (from BoxTeacher).

An object has several positives, each predicting a mask of its own. Both losses run over the
positives whose object has a valid pseudo mask: they are the i of Eq. 1 and N_p counts them, as in
the released code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.box_masks import box_profiles
from boxseg.box_supervision import (
    DIRECTIONS,
    PairWeights,
    area_of_predictions,
    pair_views,
    pairwise_sums,
)
from boxseg.engine.distributed import shared_divisor
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms, MaskPredictions, dice_loss


@dataclass(frozen=True)
class PseudoTargets:
    """What the pseudo masks of a batch's N objects ask for.

    Attributes:
        masks: bool (N, h, w), cut to the boxes.
        boxes: bool (N, h, w), the boxes' masks.
        quality: float32 (N,), in [0, 1].
        valid: bool (N,).
        image_index: int64 (N,).
        unsure: bool (N, h, w), pixels that teach nothing; none of the masks'. Or None.
        pasted: bool (N,), the object was copied from another image. Or None.
    """

    masks: Tensor
    boxes: Tensor
    quality: Tensor
    valid: Tensor
    image_index: Tensor
    unsure: Tensor | None = None
    pasted: Tensor | None = None

    @staticmethod
    def of(predictions: MaskPredictions) -> PseudoTargets:
        """Targets of a batch, padded to the size of the predicted masks.

        The objects of every image need `pseudo_masks`, bool (N, h, w) at the masks' stride,
        `pseudo_quality`, (N,) in [0, 1], and `pseudo_valid`, bool (N,); they may have
        `pseudo_unsure`, bool (N, h, w), and `pseudo_pasted`, bool (N,).

        Raises:
            InputError: the objects carry no pseudo masks.
        """
        logits, objects = predictions.logits, predictions.objects
        height, width = logits.shape[-2:]
        for image_objects in objects:
            if not image_objects.has("pseudo_masks"):
                raise InputError(
                    "a loss on pseudo masks needs a teacher that makes them, but the training "
                    "objects carry none; give the method a pseudo labeller or drop the loss."
                )
        masks = torch.cat([_padded(o.pseudo_masks, height, width) for o in objects])
        boxes = torch.cat([o.gt_boxes.tensor for o in objects]).to(logits.device)
        rows, columns = box_profiles(boxes, predictions.stride, height, width)
        inside = rows[:, :, None] & columns[:, None]
        unsure = pasted = None
        if all(o.has("pseudo_unsure") for o in objects):
            parts = [_padded(o.pseudo_unsure, height, width) for o in objects]
            unsure = torch.cat(parts).to(logits.device) & inside
        if all(o.has("pseudo_pasted") for o in objects):
            pasted = torch.cat([o.pseudo_pasted for o in objects]).to(logits.device)
        counts = torch.tensor([len(o) for o in objects], device=logits.device)
        return PseudoTargets(
            masks=masks.to(logits.device) & inside,
            boxes=inside,
            quality=torch.cat([o.pseudo_quality for o in objects]).to(logits.device).float(),
            valid=torch.cat([o.pseudo_valid for o in objects]).to(logits.device),
            image_index=torch.arange(len(counts), device=logits.device).repeat_interleave(counts),
            unsure=unsure,
            pasted=pasted,
        )


def _padded(masks: Tensor, height: int, width: int) -> Tensor:
    """Cut or fill up with background at the bottom and on the right: bool (N, height, width)."""
    bottom, right = height - masks.shape[1], width - masks.shape[2]
    return F.pad(masks, (0, right, 0, bottom)).bool()


def quality_weighted_mean(losses: Tensor, quality: Tensor) -> Tensor:
    """sum_i q_i L_i / max(N_p, 1), the reduction of Eq. 1; a scalar.

    The divisor is the number of pseudo masks and not the sum of their qualities: where all are poor
    all weigh little.

    Args:
        losses: (N_p,), of everything that has a valid pseudo mask.
        quality: (N_p,), in [0, 1].
    """
    return (quality * losses).sum() / shared_divisor(len(losses), 1, losses.device)


def linear_warmup(iteration: int, iterations: int) -> float:
    """Factor growing from 0 to 1 over so many iterations; 1 for 0 iterations."""
    return min(iteration / max(iterations, 1), 1.0)


class PseudoMaskDice:
    """Dice with the pseudo mask inside the box, weighted by the mask's quality (Eq. 1).

    L = weight x warm-up x sum_i q_i Dice_i / max(N_p, 1). The paper's Eq. 1 has neither weight nor
    warm-up; the released code has both, without which the first pseudo masks are noise.

    Args:
        weight: of the term.
        warmup_iterations: over which it grows linearly from 0.
    """

    def __init__(self, weight: float = 0.5, warmup_iterations: int = 10_000) -> None:
        self.weight = weight
        self.warmup_iterations = warmup_iterations

    def __call__(self, predictions: MaskPredictions) -> LossTerms:
        targets = PseudoTargets.of(predictions)
        taught = targets.valid[predictions.object_index]
        index = predictions.object_index[taught]
        probabilities = predictions.logits[taught].sigmoid()
        if targets.unsure is not None:
            probabilities = probabilities * ~targets.unsure[index]
        dice = dice_loss(probabilities, targets.masks[index].to(probabilities.dtype))
        loss = quality_weighted_mean(dice, targets.quality[index])
        warmup = linear_warmup(predictions.iteration, self.warmup_iterations)
        return LossTerms(
            losses={"loss_mask": loss * (self.weight * warmup)},
            diagnostics={
                "pseudo_dice_raw": loss.detach(),
                "pseudo_mask_warmup": loss.new_tensor(warmup),
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


class PseudoMaskAffinity:
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

    def __init__(
        self,
        weight: float = 0.1,
        warmup_iterations: int = 10_000,
        bottom_rows_removed: int = 10,
        dilation: int = 2,
    ) -> None:
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
        return PairWeights.of(related, area[targets.image_index], targets.boxes, self.dilation)

    def __call__(self, predictions: MaskPredictions) -> LossTerms:
        with torch.no_grad():
            targets = PseudoTargets.of(predictions)
            weights = self.pair_weights(predictions, targets)
        taught = targets.valid[predictions.object_index]
        index = predictions.object_index[taught]
        sums = pairwise_sums(predictions.logits[taught], weights, index, self.dilation)
        means = sums / weights.total[index].clamp(min=1)
        loss = quality_weighted_mean(means, targets.quality[index])
        warmup = linear_warmup(predictions.iteration, self.warmup_iterations)
        return LossTerms(
            losses={"loss_mask_affinity": loss * (self.weight * warmup)},
            diagnostics={"pseudo_affinity_raw": loss.detach()},
        )
