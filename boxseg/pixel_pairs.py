"""Pairs of neighbouring pixels: which count, and what it costs to label the two differently.

Colours and pseudo masks say which pairs should carry one label; what a pair costs depends on the
predicted mask alone, so it is computed once for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

DIRECTIONS = ((0, 1), (1, -1), (1, 0), (1, 1))
"""Half of the 8 neighbours: the relation is symmetric, so every pair is looked at once."""


def pair_views(maps: Tensor, direction: tuple[int, int], dilation: int) -> tuple[Tensor, Tensor]:
    """Two views of maps (..., H, W) such that equal indices are a pixel and its neighbour.

    The neighbour lies `dilation` times (rows, columns) = `direction` away; pairs that would leave
    the map are not in the views.
    """
    down, right = (step * dilation for step in direction)
    height, width = maps.shape[-2:]
    first = maps[..., : max(height - down, 0), max(-right, 0) : max(width - max(right, 0), 0)]
    second = maps[..., down:, max(right, 0) : max(width + min(right, 0), 0)]
    return first, second


@dataclass(frozen=True)
class PairWeights:
    """How much every pixel pair counts in the pairwise term, per object.

    A pair counts once for each of its two pixels that lies in the box while the other lies in the
    supervised area, if the two are related (of similar colour, say). Where relations are yes or no,
    weights are small whole numbers and kept in bytes.

    Attributes:
        pairs: per direction, uint8 or float32 (N, rows, columns) in the shape of `pair_views`.
        pixels: of the same type, (N, h, w), the sum over the pairs that a pixel is part of.
        total: float32 (N,), sum over the pairs.
    """

    pairs: list[Tensor]
    pixels: Tensor
    total: Tensor

    @staticmethod
    def of(related: Sequence[Tensor], area: Tensor, boxes: Tensor, dilation: int) -> PairWeights:
        """Weights of N objects.

        Args:
            related: per direction, bool (N, rows, columns), or float32 for relations in [0, 1].
            area: bool (N, h, w), supervised area of each object's image.
            boxes: bool (N, h, w), box masks.
            dilation: distance of the neighbours.
        """
        pairs = []
        total = torch.zeros(len(boxes), device=boxes.device)
        for direction, relation in zip(DIRECTIONS, related, strict=True):
            box1, box2 = pair_views(boxes, direction, dilation)
            area1, area2 = pair_views(area, direction, dilation)
            counts = (box1 & area2).view(torch.uint8) + (box2 & area1).view(torch.uint8)
            pairs.append(counts * relation)
            total = total + pairs[-1].sum(dim=(1, 2), dtype=total.dtype)
        # At most 2 for each of the 8 neighbours: a byte holds the sum.
        pixels = torch.zeros(boxes.shape, dtype=pairs[0].dtype, device=boxes.device)
        for direction, weights in zip(DIRECTIONS, pairs, strict=True):
            pixels1, pixels2 = pair_views(pixels, direction, dilation)
            pixels1 += weights
            pixels2 += weights
        return PairWeights(pairs, pixels, total)


@dataclass(frozen=True)
class PairCosts:
    """What -log P(both pixels carry the same label) is made of, for P predicted masks.

    With p = sigmoid(a) and q = sigmoid(b), p q + (1 - p)(1 - q) is (1 + e^(a+b)) divided by
    (1 + e^a)(1 + e^b), so the cost of a pair is softplus(a) + softplus(b) - softplus(a + b): one
    softplus per pixel, weighted by what all its pairs weigh, and one per pair.

    Attributes:
        logits: (P, h, w), with gradient.
        dilation: distance of the neighbours.
        pixels: (P, h, w), softplus of the logits, without gradient.
        pairs: per direction, (P, rows, columns) in the shape of `pair_views`, softplus of the
            pair's sum of logits, without gradient.
    """

    logits: Tensor
    dilation: int
    pixels: Tensor
    pairs: list[Tensor]

    @staticmethod
    @torch.no_grad()
    def of(logits: Tensor, dilation: int) -> PairCosts:
        """Costs of logits (P, h, w)."""
        sums = [torch.add(*pair_views(logits, d, dilation)) for d in DIRECTIONS]
        return PairCosts(logits, dilation, F.softplus(logits), [F.softplus(s) for s in sums])

    def sums(self, weights: PairWeights, object_index: Tensor) -> Tensor:
        """Weighted sum over all pairs, per positive: (P,), with gradient.

        Args:
            weights: of N objects.
            object_index: int64 (P,).
        """
        return _PairSums.apply(self.logits, self, weights, object_index)


class _PairSums(torch.autograd.Function):
    """`PairCosts.sums`; no map of a positive is kept for its gradient but the logits."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, costs: PairCosts, weights: PairWeights, object_index: Tensor
    ) -> Tensor:
        ctx.save_for_backward(logits, object_index)
        ctx.weights, ctx.dilation = weights, costs.dilation
        sums = (costs.pixels * weights.pixels[object_index]).sum(dim=(1, 2))
        for softplus, pairs in zip(costs.pairs, weights.pairs, strict=True):
            sums -= (softplus * pairs[object_index]).sum(dim=(1, 2))
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        logits, object_index = ctx.saved_tensors
        whole = logits.sigmoid().mul_(ctx.weights.pixels[object_index])
        for direction, weights in zip(DIRECTIONS, ctx.weights.pairs, strict=True):
            sums = torch.add(*pair_views(logits, direction, ctx.dilation))
            pairs = sums.sigmoid_().mul_(weights[object_index])
            first, second = pair_views(whole, direction, ctx.dilation)
            first -= pairs
            second -= pairs
        return whole.mul_(gradient[:, None, None]), None, None, None
