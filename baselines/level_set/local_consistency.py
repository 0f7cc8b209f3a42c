"""Local consistency (Box2Mask): a mask should be what its pixels' alike neighbours say it is."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

DISTANCE = 2
"""Of a pixel's 8 neighbours, in pixels."""

BANDWIDTH = 0.3
"""Differences count in this many standard deviations of the neighbours' colours."""

OFFSETS = [
    (row, column)
    for row in (0, DISTANCE, 2 * DISTANCE)
    for column in (0, DISTANCE, 2 * DISTANCE)
    if (row, column) != (DISTANCE, DISTANCE)
]
"""Where a pixel's neighbours are in a map with a border of `DISTANCE` more on each side."""


def neighbours(maps: Tensor) -> Tensor:
    """The 8 neighbours of every pixel of maps (B, C, h, w): (B, 8, C, h, w); borders replicated."""
    height, width = maps.shape[-2:]
    padded = _bordered(maps)
    return torch.stack([padded[..., r : r + height, c : c + width] for r, c in OFFSETS], dim=1)


def affinities(images: Tensor) -> Tensor:
    """How much each of its neighbours counts at a pixel: (B, 8, h, w), 1 in sum.

    Args:
        images: (B, C, h, w).
    """
    around = neighbours(images)
    from_mean = around - around.mean(dim=1, keepdim=True)
    deviation = (from_mean.square().sum(dim=1, keepdim=True) / (len(OFFSETS) - 1)).sqrt()
    scaled = (around - images[:, None]).abs() / (deviation + 1e-8) / BANDWIDTH
    return (-scaled.square()).mean(dim=2).softmax(dim=1)


def refined(maps: Tensor, affinity: Tensor, rounds: int = 10) -> Tensor:
    """Maps (B, K, h, w) after some rounds in which every pixel becomes its neighbours' mean.

    Args:
        maps: K of every image.
        affinity: (B, 8, h, w), without gradient; see `affinities`.
        rounds: each starts from the one before.
    """
    return _Refined.apply(maps, affinity, rounds)


def inconsistency(probabilities: Tensor, affinity: Tensor, boxes: Tensor) -> Tensor:
    """What a mask would change by if it were refined: (B, K), summed over its box.

    Args:
        probabilities: (B, K, h, w).
        affinity: (B, 8, h, w), see `affinities`.
        boxes: (B, K, h, w), in [0, 1].
    """
    change = (refined(probabilities, affinity) - probabilities).abs()
    return (change * boxes).sum(dim=(2, 3))


class _Refined(torch.autograd.Function):
    """`refined`; a linear map, whose gradient needs no map of any round."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, affinity: Tensor, rounds: int) -> Tensor:
        ctx.save_for_backward(affinity)
        ctx.rounds = rounds
        height, width = maps.shape[-2:]
        for _ in range(rounds):
            padded = _bordered(maps)
            maps = torch.zeros_like(maps)
            for (row, column), weights in zip(OFFSETS, affinity.unbind(dim=1), strict=True):
                maps.addcmul_(
                    padded[..., row : row + height, column : column + width], weights[:, None]
                )
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (affinity,) = ctx.saved_tensors
        height, width = gradient.shape[-2:]
        for _ in range(ctx.rounds):
            padded = F.pad(torch.zeros_like(gradient), [DISTANCE] * 4)
            for (row, column), weights in zip(OFFSETS, affinity.unbind(dim=1), strict=True):
                padded[..., row : row + height, column : column + width].addcmul_(
                    gradient, weights[:, None]
                )
            gradient = _folded(_folded(padded).transpose(2, 3)).transpose(2, 3)
        return gradient, None, None


def _bordered(maps: Tensor) -> Tensor:
    """Maps (B, K, h, w) with a border that replicates theirs; K may be 0."""
    # The first dimension, and no other, may be empty.
    padded = F.pad(maps.transpose(0, 1), [DISTANCE] * 4, mode="replicate")
    return padded.transpose(0, 1)


def _folded(padded: Tensor) -> Tensor:
    """Rows without the border that replicates the first and the last, which get its values."""
    rows = padded[..., DISTANCE:-DISTANCE, :].clone()
    rows[..., 0, :] += padded[..., :DISTANCE, :].sum(dim=2)
    rows[..., -1, :] += padded[..., -DISTANCE:, :].sum(dim=2)
    return rows
