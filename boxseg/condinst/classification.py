"""How the detector's class scores are trained and what they mean at test time."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from boxseg.condinst.fcos_losses import focal_loss, varifocal_loss


class Classification(Protocol):
    """A classification loss and the score that belongs to it."""

    def loss(self, logits: Tensor, labels: Tensor, cells: Tensor, ious: Tensor) -> Tensor:
        """Sum over all cells.

        Args:
            logits: (A, classes).
            labels: int64 (A,), the class, or `classes` for background.
            cells: int64 (P,), the positive ones.
            ious: (P,), of the predicted with the assigned boxes, without gradient.
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

    def loss(self, logits: Tensor, labels: Tensor, cells: Tensor, ious: Tensor) -> Tensor:
        """See `Classification`."""
        return focal_loss(logits, labels)

    def products(self, probabilities: Tensor, centerness: Tensor) -> Tensor:
        """Class probability x centre-ness."""
        return probabilities * centerness

    def scores(self, products: Tensor) -> Tensor:
        """The geometric mean of the two."""
        return products.sqrt()


class IoUAware:
    """Varifocal loss towards the predicted box's IoU; the class probability is the score.

    It estimates class and box quality at once (VarifocalNet), as BoxSeg's box score does; the
    centre-ness has no say at test time.
    """

    def loss(self, logits: Tensor, labels: Tensor, cells: Tensor, ious: Tensor) -> Tensor:
        """See `Classification`."""
        targets = torch.zeros_like(logits)
        targets[cells, labels[cells]] = ious
        return varifocal_loss(logits, targets)

    def products(self, probabilities: Tensor, centerness: Tensor) -> Tensor:
        """The class probability."""
        return probabilities

    def scores(self, products: Tensor) -> Tensor:
        """The class probability."""
        return products


class ReleasedIoUAware(IoUAware):
    """Varifocal loss as in the released BoxSeg, whose score keeps the centre-ness."""

    def products(self, probabilities: Tensor, centerness: Tensor) -> Tensor:
        """Class probability x centre-ness."""
        return probabilities * centerness

    def scores(self, products: Tensor) -> Tensor:
        """The geometric mean of the two."""
        return products.sqrt()
