"""How the detector's class scores are trained and what they mean at test time."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from boxseg.condinst.fcos_losses import (
    box_ious,
    box_overlaps,
    focal_loss,
    varifocal_loss,
)


class Classification(Protocol):
    """A classification loss and the score that belongs to it."""

    def loss(
        self, logits: Tensor, labels: Tensor, cells: Tensor, predicted: Tensor, wanted: Tensor
    ) -> Tensor:
        """Sum over all cells.

        Args:
            logits: (A, classes).
            labels: int64 (A,), the class, or `classes` for background.
            cells: int64 (P,), the positive ones.
            predicted, wanted: (P, 4), the positive cells' boxes and those of their objects, as
                distances in strides; no gradient goes through them.
        """
        ...

    def products(self, probabilities: Tensor, centerness: Tensor) -> Tensor:
        """What is compared with the score threshold: (cells, classes), from (cells, 1) besides."""
        ...

    def scores(self, products: Tensor) -> Tensor:
        """Scores in [0, 1] of candidates, from their products."""
        ...


class CenternessScored:
    """Focal loss; the score is the root of class probability x centre-ness (FCOS)."""

    def loss(
        self, logits: Tensor, labels: Tensor, cells: Tensor, predicted: Tensor, wanted: Tensor
    ) -> Tensor:
        """See `Classification`."""
        return focal_loss(logits, labels)

    def products(self, probabilities: Tensor, centerness: Tensor) -> Tensor:
        """Class probability x centre-ness."""
        return probabilities * centerness

    def scores(self, products: Tensor) -> Tensor:
        """The geometric mean of the two."""
        return products.sqrt()


def _in_assigned_class(logits: Tensor, labels: Tensor, cells: Tensor, ious: Tensor) -> Tensor:
    """Targets (A, classes): a positive cell's IoU in the class of its object, 0 elsewhere."""
    targets = torch.zeros_like(logits)
    targets[cells, labels[cells]] = ious.to(targets.dtype)
    return targets


class IoUAware:
    """Varifocal loss towards the predicted box's IoU; the class probability is the score.

    As in VarifocalNet, which the paper names for its box score (section 3.3): alpha 0.75, gamma 2.
    It estimates class and box quality at once; the centre-ness has no say at test time.
    """

    def loss(
        self, logits: Tensor, labels: Tensor, cells: Tensor, predicted: Tensor, wanted: Tensor
    ) -> Tensor:
        """See `Classification`."""
        ious = box_ious(predicted.detach(), wanted)
        return varifocal_loss(logits, _in_assigned_class(logits, labels, cells, ious))

    def products(self, probabilities: Tensor, centerness: Tensor) -> Tensor:
        """The class probability."""
        return probabilities

    def scores(self, products: Tensor) -> Tensor:
        """The class probability."""
        return products


class ReleasedIoUAware(CenternessScored):
    """Varifocal loss as in the released BoxSeg.

    Negatives weigh a third of VarifocalNet's (alpha 0.25), the target is the IoU with 1 added to
    intersection and union, and the score keeps the centre-ness.
    """

    def loss(
        self, logits: Tensor, labels: Tensor, cells: Tensor, predicted: Tensor, wanted: Tensor
    ) -> Tensor:
        """See `Classification`."""
        ious, _ = box_overlaps(predicted.detach(), wanted)
        targets = _in_assigned_class(logits, labels, cells, ious)
        return varifocal_loss(logits, targets, alpha=0.25)
