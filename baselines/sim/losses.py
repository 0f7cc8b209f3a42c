"""SIM's losses: box supervision with features besides colours, focal loss on sure pixels, pastes.

Pseudo masks teach from `start_iterations` on; before it there is no term.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from detectron2.utils import comm
from torch import Tensor

from boxseg.box_supervision import BoxSupervision
from boxseg.engine.distributed import shared_divisor
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions, dice_loss
from boxseg.pixel_pairs import DIRECTIONS, pair_views
from boxseg.pseudo_mask_losses import linear_warmup, quality_weighted_mean

ALPHA, GAMMA = 0.25, 2.0
"""Weight of the foreground, and how little what is right already counts."""

PixelLoss = Callable[[Tensor, Tensor], Tensor]
"""From logits and targets in {0, 1}, of any shape, to a loss for each pixel."""


def _one_more(weights: Tensor) -> float | Tensor:
    """1 + the sum of a batch's weights, shared among its processes; see `shared_divisor`."""
    return shared_divisor(weights + 1 / comm.get_world_size(), 0.0)


def focal_pixels(logits: Tensor, targets: Tensor) -> Tensor:
    """Sigmoid focal loss of each pixel: alpha_t (1 - p_t)^gamma -log p_t.

    Args:
        logits: of any shape.
        targets: of that shape, 0 or 1.
    """
    signed = logits * (2 * targets - 1)
    weights = ALPHA * targets + (1 - ALPHA) * (1 - targets)
    return weights * torch.sigmoid(-signed) ** GAMMA * F.softplus(-signed)


def feature_similarities(features: Tensor, size: tuple[int, int], dilation: int) -> list[Tensor]:
    """Similarity exp(-|f_p - f_q| / c) of every pixel pair, c cells of the features apart.

    As SIM is published, features have half the resolution of the masks and neighbours are two
    pixels apart, so c is 1. Where features are as fine as masks c is 2: the same two points of the
    image differ as much, but neighbours are farther apart.

    Args:
        features: (B, D, h, w).
        size: (H, W) of the masks, in whose pixels pairs are counted.
        dilation: distance of the neighbours, in these pixels.

    Returns:
        Per direction, the shape of `pair_views`, in (0, 1].
    """
    cells = dilation * features.shape[-2] / size[0]
    fine = F.interpolate(features.float(), size=size, mode="bilinear", align_corners=False)
    similarities = []
    for direction in DIRECTIONS:
        first, second = pair_views(fine, direction, dilation)
        distances = (first - second).square_().sum(dim=1).sqrt_()
        similarities.append(torch.exp(-distances / cells))
    return similarities


class SemanticBoxSupervision(BoxSupervision):
    """L_box whose pairs are alike in colour and in the teacher's mask features.

    A pair's similarity is the product of both, so the threshold is lower (the released
    configurations have 0.1). Arguments as those of `BoxSupervision`.
    """

    needs_teacher_features = True

    def similarities(self, predictions: MaskPredictions) -> list[Tensor]:
        """Per direction, of every pixel pair of the batch's images.

        Raises:
            InputError: there is no teacher whose features could be compared.
        """
        if predictions.teacher_features is None:
            raise InputError(
                "SIM's box supervision compares a teacher's mask features, and this method has no "
                "teacher that gives them; use boxseg.box_supervision.BoxSupervision."
            )
        alike = feature_similarities(predictions.teacher_features, predictions.size, self.dilation)
        colors = super().similarities(predictions)
        return [color * feature for color, feature in zip(colors, alike, strict=True)]


class PseudoMaskFocal(MaskLoss):
    """Focal loss on the pixels of which the pseudo mask is sure, inside the box.

    L = weight x ramp x sum of w l / (1 + sum of w), over the pixels of all positives; w is the
    quality of the object's pseudo mask, 1 in SIM itself.

    Args:
        weight: of the term.
        ramp_iterations: over which it grows linearly from 0.
        start_iterations: no term until they have passed.
        pixel_loss: of a pixel.
    """

    needs_pseudo_masks = True

    def __init__(
        self,
        weight: float = 0.3,
        ramp_iterations: int = 270_000,
        start_iterations: int = 10_000,
        pixel_loss: PixelLoss = focal_pixels,
    ) -> None:
        super().__init__()
        self.weight = weight
        self.ramp_iterations = ramp_iterations
        self.start_iterations = start_iterations
        self.pixel_loss = pixel_loss

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        if predictions.iteration <= self.start_iterations:
            return LossTerms({}, {})
        targets = predictions.pseudo_targets
        index, logits = predictions.object_index, predictions.logits
        sure = targets.boxes if targets.unsure is None else targets.boxes & ~targets.unsure
        weights = (sure * (targets.quality * targets.valid)[:, None, None])[index]
        losses = self.pixel_loss(logits, targets.masks[index].to(logits.dtype))
        loss = (losses * weights).sum() / _one_more(weights.sum())
        ramp = linear_warmup(predictions.iteration, self.ramp_iterations)
        return LossTerms(
            losses={"loss_pseudo": loss * (self.weight * ramp)},
            diagnostics={"pseudo_focal_raw": loss.detach(), "pseudo_ramp": loss.new_full((), ramp)},
        )


class PastedMaskLoss(MaskLoss):
    """Focal loss and Dice with the masks that pasted objects brought along, over the whole image.

    Weighted by the quality of the masks, as everything on pseudo masks; 1 in SIM itself.

    Args:
        weight: of the term.
        start_iterations: no term until they have passed.
        pixel_loss: of a pixel.
    """

    needs_pseudo_masks = True

    def __init__(
        self,
        weight: float = 1.0,
        start_iterations: int = 10_000,
        pixel_loss: PixelLoss = focal_pixels,
    ) -> None:
        super().__init__()
        self.weight = weight
        self.start_iterations = start_iterations
        self.pixel_loss = pixel_loss

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        if predictions.iteration <= self.start_iterations:
            return LossTerms({}, {})
        targets = predictions.pseudo_targets
        # Few are pasted: to be told how many is cheaper than to compute the others' loss.
        chosen = targets.pasted[predictions.object_index].nonzero().squeeze(1)
        index = predictions.object_index[chosen]
        logits = predictions.logits.index_select(0, chosen)
        masks, quality = targets.masks[index].to(logits.dtype), targets.quality[index]
        pixels = (self.pixel_loss(logits, masks) * quality[:, None, None]).sum()
        focal = pixels / _one_more(quality.sum() * masks.shape[-2:].numel())
        dice = quality_weighted_mean(dice_loss(logits.sigmoid(), masks), quality)
        return LossTerms({"loss_paste": (focal + dice) * self.weight}, {})
