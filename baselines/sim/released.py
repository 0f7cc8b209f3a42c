"""What SIM's released code does where it departs from its paper, or from sense; for parity.

Each part goes by itself into the place of the sensible one; `baselines.sim.released_step` has them
all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from detectron2.structures import Instances
from torch import Tensor

from baselines.sim.losses import ALPHA, GAMMA, PastedMaskLoss, SemanticBoxSupervision
from baselines.sim.prototypes import SinkhornAssignment
from boxseg.condinst.centers import box_pixel_centers, centroids
from boxseg.mask_losses import LossTerms, MaskPredictions, dice_loss


class GumbelAssignment(SinkhornAssignment):
    """Draws the prototypes: a hard Gumbel-softmax that takes the probabilities for logits.

    Between logits of 0 and 1 the noise decides, so the assignment is nearly uniformly random.

    Args:
        epsilon, passes: see `SinkhornAssignment`.
        temperature: of the softmax; it does not change a hard draw.
    """

    def __init__(self, epsilon: float = 0.05, passes: int = 3, temperature: float = 0.5) -> None:
        super().__init__(epsilon, passes)
        self.temperature = temperature

    def __call__(self, similarities: Tensor, classes: Tensor, groups: int) -> Tensor:
        probabilities = self.probabilities(similarities, classes, groups)
        return F.gumbel_softmax(probabilities, tau=self.temperature, hard=True).argmax(dim=1)


def twice_sigmoid_focal_pixels(logits: Tensor, targets: Tensor) -> Tensor:
    """Focal loss of each pixel whose cross-entropy takes the probability for a logit.

    Arguments and result as those of `baselines.sim.losses.focal_pixels`.
    """
    p = logits.sigmoid()
    missed = (1 - p) * targets + p * (1 - targets)
    weights = ALPHA * targets + (1 - ALPHA) * (1 - targets)
    entropy = F.binary_cross_entropy_with_logits(p, targets, reduction="none")
    return weights * missed**GAMMA * entropy


def visible_centers(objects: Instances) -> Tensor:
    """Centres that sampling is done around: (N, 2), x, y in pixels.

    Those of the boxes' pixels, or, in an image pasted upon, of what is visible.
    """
    if objects.has("visible_masks"):
        return centroids(objects.visible_masks)
    return box_pixel_centers(objects)


class VisibleAreaSupervision(SemanticBoxSupervision):
    """In an image pasted upon, objects fill what is visible of them and not their boxes."""

    def areas(self, predictions: MaskPredictions) -> tuple[Tensor, Tensor, Tensor]:
        """Where the N objects are: bool (N, h, w), and its rows (N, h) and columns (N, w)."""
        if not predictions.objects[0].has("visible_masks"):
            return super().areas(predictions)
        stride = predictions.stride
        start = stride // 2
        masks = torch.cat([o.visible_masks for o in predictions.objects])
        masks = masks[:, start::stride, start::stride]
        return masks, masks.any(dim=2), masks.any(dim=1)


class DilutedPastedMaskLoss(PastedMaskLoss):
    """`PastedMaskLoss` whose Dice counts 1 for every object that was not pasted.

    So the Dice of the pasted ones is divided by the number of all positives, and where nothing is
    pasted in any image the term is 0. Masks are the pasted ones, pixels outside them background.
    """

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        if predictions.iteration <= self.start_iterations:
            return LossTerms({}, {})
        logits, objects = predictions.logits, predictions.objects
        if not objects[0].has("visible_masks"):
            return LossTerms({"loss_paste": logits.new_zeros(())}, {})
        start = predictions.stride // 2
        masks = torch.cat([o.visible_masks for o in objects])[predictions.object_index]
        masks = masks[:, start :: predictions.stride, start :: predictions.stride].to(logits.dtype)
        pasted = predictions.pseudo_targets.pasted[predictions.object_index]
        weights = pasted.to(logits.dtype)[:, None, None]
        pixels = (self.pixel_loss(logits, masks) * weights).sum()
        focal = pixels / (weights.sum() * masks.shape[-2:].numel() + 1)
        dice = dice_loss(logits.sigmoid() * weights, masks * weights).mean()
        return LossTerms({"loss_paste": (focal + dice) * self.weight}, {})
