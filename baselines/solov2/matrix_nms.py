"""Suppression of cells and masks without a loop: maxima of neighbours, and matrix NMS (SOLOv2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.mask_overlap import mask_iou_matrices

Decay = Callable[[Tensor], Tensor]
"""What is left of a score at an IoU in [0, 1]; 1 at 0."""


def _gaussian(sigma: float, ious: Tensor) -> Tensor:
    return torch.exp(-sigma * ious * ious)


def gaussian_decay(sigma: float = 2.0) -> Decay:
    """exp(-sigma IoU^2)."""
    return partial(_gaussian, sigma)


def linear_decay(ious: Tensor) -> Tensor:
    """1 - IoU."""
    return 1 - ious


def peaks(logits: Tensor, num_grids: Sequence[int]) -> Tensor:
    """The cells where a class is as likely as nowhere near: bool (B, classes, A).

    Near are the cells to the left, above, and above to the left.

    Args:
        logits: (B, classes, A), of the cells of all levels.
        num_grids: per level, cells along each side.
    """
    found = []
    for level, cells in zip(logits.split([n * n for n in num_grids], 2), num_grids, strict=True):
        grid = level.unflatten(2, (cells, cells))
        highest = F.max_pool2d(grid, 2, stride=1, padding=1)[:, :, :-1, :-1]
        found.append((highest == grid).flatten(2))
    return torch.cat(found, dim=2)


def matrix_nms(masks: Tensor, scores: Tensor, classes: Tensor, decay: Decay) -> Tensor:
    """Scores less what masks of higher score and the same class leave of them: (B, M).

    A mask's score falls by the decay at its IoU with a better one, of which it is divided how much
    that one has itself fallen at most; the lowest such ratio counts.

    Args:
        masks: bool (B, M, h, w), of each image best score first.
        scores: (B, M), decreasing.
        classes: int64 (B, M).
        decay: see `Decay`.
    """
    alike = (classes[:, :, None] == classes[:, None]).triu(diagonal=1)
    ious = mask_iou_matrices(masks) * alike  # (B, better, worse)
    if ious.shape[1] == 0:
        return scores
    own = decay(ious.amax(dim=1))[:, :, None].clamp(min=1e-6)
    return scores * (decay(ious) / own).amin(dim=1)
