"""DiscoBox's losses on masks: projections onto the box, and self-training on a mean field."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.discobox.gates import Gate
from baselines.discobox.mean_field import (
    BinaryMeanField,
    MeanField,
    NeighbourKernel,
    standard_colors,
)
from baselines.rounded_boxes import box_masks
from boxseg.engine.distributed import shared_divisor
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions

EPSILON = 0.001
"""Added to either sum of squares of a Dice term."""


def dice_loss(probabilities: Tensor, targets: Tensor) -> Tensor:
    """1 - 2 |x t| / ((|x|^2 + 0.001) + (|t|^2 + 0.001)), per row: (P,), in [0, 1].

    Args:
        probabilities, targets: (P, ...), in [0, 1].
    """
    x, t = probabilities.flatten(1), targets.flatten(1)
    squares = ((x * x).sum(dim=1) + EPSILON) + ((t * t).sum(dim=1) + EPSILON)
    return 1 - 2 * (x * t).sum(dim=1) / squares


def projection_loss(logits: Tensor, boxes: Tensor) -> Tensor:
    """Dice of the projections of masks and boxes on both axes: (P,), in [0, 2].

    Every row and column that crosses a box is a bag of pixels of which one at least is foreground
    (multiple-instance learning).

    Args:
        logits: (P, h, w).
        boxes: bool (P, h, w), the boxes' masks.
    """
    on_columns, on_rows = (
        # The sigmoid is monotonic: it commutes with the maximum.
        dice_loss(logits.amax(dim=axis).sigmoid(), boxes.any(dim=axis).to(logits.dtype))
        for axis in (1, 2)
    )
    return on_columns + on_rows


def self_training_loss(probabilities: Tensor, boxes: Tensor, masks: Tensor) -> Tensor:
    """Dice of masks with pseudo masks, up to one cell around the box: (P,), in [0, 1].

    Args:
        probabilities: (P, h, w), the student's.
        boxes: bool (P, h, w), the boxes' masks.
        masks: bool (P, h, w), the pseudo masks.
    """
    inside = boxes[:, None].to(probabilities.dtype)
    near = F.max_pool2d(inside, 3, stride=1, padding=1)[:, 0]
    return dice_loss(probabilities * near, masks.to(probabilities.dtype))


class DiscoBoxSupervision(MaskLoss):
    """Projection loss, and from a gate's opening on Dice with a mean field of the own masks.

    The mean field starts from the mean of what student and teacher predict at the same positive;
    without a teacher, from what the student does. Each positive has a pseudo mask of its own.

    Args:
        gate: of the self-training.
        mean_field: makes the pseudo masks; the released rule by default.
        channel_order: of the input images, "BGR" or "RGB".
    """

    uses_teacher_masks = True

    def __init__(
        self, gate: Gate, mean_field: MeanField | None = None, channel_order: str = "BGR"
    ) -> None:
        super().__init__()
        self.gate = gate
        self.mean_field = mean_field or BinaryMeanField()
        self.channel_order = channel_order

    def kernel(self, predictions: MaskPredictions) -> NeighbourKernel:
        """What the images say about neighbouring pixels of the masks."""
        rgb = predictions.images
        if self.channel_order == "BGR":
            rgb = rgb.flip(1)
        return self.mean_field.kernel(
            standard_colors(rgb, predictions.image_sizes, predictions.size)
        )

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        logits, index = predictions.logits, predictions.object_index
        boxes = box_masks(predictions)[index]
        divisor = shared_divisor(len(logits), 1, logits.device)
        projection = projection_loss(logits, boxes).sum() / divisor
        opened = self.gate(predictions.iteration, projection)
        losses = {"loss_prj": projection}
        diagnostics = {"self_training": projection.new_full((), float(opened))}
        if opened:
            masks = self.pseudo_masks(predictions, boxes)
            probabilities = logits.sigmoid()
            taught = self_training_loss(probabilities, boxes, masks).sum() / divisor
            losses["loss_self_training"] = taught
            sizes = boxes.sum(dim=(1, 2)).clamp(min=1)
            fill = (masks.sum(dim=(1, 2)) / sizes).sum() / max(len(masks), 1)
            diagnostics["mean_field_fill"] = fill
        return LossTerms(losses, diagnostics)

    @torch.no_grad()
    def pseudo_masks(self, predictions: MaskPredictions, boxes: Tensor) -> Tensor:
        """The mean field of every positive: bool (P, h, w).

        Args:
            predictions: of the batch.
            boxes: bool (P, h, w), the boxes' masks.
        """
        probabilities = predictions.logits.detach().sigmoid()
        if predictions.teacher_probabilities is not None:
            probabilities = (probabilities + predictions.teacher_probabilities) / 2
        images = predictions.image_index[predictions.object_index]
        return self.mean_field(self.kernel(predictions), images, probabilities, boxes)
