"""How much masks overlap: two sets of them one by one, or every two of a set."""

from __future__ import annotations

from torch import Tensor


def mask_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of masks pairwise: bool (N, H, W) twice to float32 (N,); 0 where both are empty."""
    common = (first & second).flatten(1).sum(dim=1)
    either = (first | second).flatten(1).sum(dim=1)
    return common / either.clamp(min=1)


def mask_iou_matrices(masks: Tensor) -> Tensor:
    """IoU of every two masks of each set: bool (B, M, H, W) to (B, M, M); 0 where both are empty.

    A product of matrices, which autocast makes one of low precision; counts of pixels above 256 are
    not exact there.
    """
    pixels = masks.flatten(2).float()
    common = pixels @ pixels.transpose(1, 2)
    areas = pixels.sum(dim=2)
    return common / (areas[:, :, None] + areas[:, None] - common).clamp(min=1)
