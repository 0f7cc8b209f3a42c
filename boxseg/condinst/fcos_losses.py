"""The terms of FCOS's detection loss, on flattened cells, in float32."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def focal_loss(logits: Tensor, labels: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Sum of the sigmoid focal loss over all entries.

    Args:
        logits: (A, classes).
        labels: int64 (A,), the class, or `classes` for background.
    """
    # Not `F.one_hot`, which reads labels back to check their range.
    classes = torch.arange(logits.shape[1], device=labels.device)
    targets = (labels[:, None] == classes).to(logits.dtype)
    # With the sign of every negative entry turned, the term is -log sigmoid(signed), and the
    # modulating factor (1 - p_t) is sigmoid(-signed).
    signed = logits * (2 * targets - 1)
    weights = alpha * targets + (1 - alpha) * (1 - targets)
    return (weights * torch.sigmoid(-signed) ** gamma * -F.logsigmoid(signed)).sum()


def varifocal_loss(
    logits: Tensor, targets: Tensor, alpha: float = 0.75, gamma: float = 2.0
) -> Tensor:
    """Sum of the varifocal loss over all entries (VarifocalNet, with its alpha and gamma).

    Binary cross-entropy with the target, weighted by the target where it is positive and by
    alpha p^gamma where it is 0. The gradient goes through p^gamma too, as in the focal loss.

    Args:
        logits: (A, classes).
        targets: (A, classes), the IoU of the predicted box in the class of the object, else 0.
    """
    weights = torch.where(targets > 0, targets, alpha * logits.sigmoid() ** gamma)
    entropies = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (weights * entropies).sum()


def centerness(box_distances: Tensor) -> Tensor:
    """Target of the centre-ness branch, in [0, 1]: (P, 4) left, top, right, bottom to (P,)."""
    horizontal = box_distances[:, [0, 2]]
    vertical = box_distances[:, [1, 3]]
    ratios = (horizontal.amin(dim=1) / horizontal.amax(dim=1)) * (
        vertical.amin(dim=1) / vertical.amax(dim=1)
    )
    return ratios.sqrt()


def _areas(predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of intersection, union and hull of boxes given as distances from one point."""

    def area(distances: Tensor) -> Tensor:
        return (distances[:, 0] + distances[:, 2]) * (distances[:, 1] + distances[:, 3])

    intersection = area(torch.minimum(predicted, target))
    union = area(predicted) + area(target) - intersection
    return intersection, union, area(torch.maximum(predicted, target))


def box_ious(predicted: Tensor, target: Tensor) -> Tensor:
    """IoU of boxes given as distances from one point.

    Args:
        predicted, target: (P, 4), distances to left, top, right, bottom, >= 0.

    Returns:
        (P,), in [0, 1]; 0 where both boxes are empty.
    """
    intersection, union, _ = _areas(predicted, target)
    return torch.where(union > 0, intersection / union, 0.0)


def box_overlaps(predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and GIoU of boxes given as distances from one point, as the published FCOS code has them.

    The IoU has 1 added to intersection and union (in units of the stride the distances are
    measured in), and the hull's share of the GIoU has not.

    Args:
        predicted, target: (P, 4), distances to left, top, right, bottom, >= 0.

    Returns:
        IoU (P,) and GIoU (P,).
    """
    intersection, union, hull = _areas(predicted, target)
    iou = (intersection + 1) / (union + 1)
    return iou, iou - (hull - union) / hull
