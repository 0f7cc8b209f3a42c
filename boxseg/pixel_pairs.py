"""Pairs of neighbouring pixels: which count, and what it costs to label the two differently.

Colours and pseudo masks say which pairs should carry one label. Only pairs in an object's box can,
one in twenty of all: they are listed, and nothing is computed of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.host_copies import index_on

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
    supervised area, if the two are related (of similar colour, say). The K pairs that count are
    listed object by object.

    Attributes:
        first, second: int64 (K,), their pixels, numbered row by row.
        values: float32 (K,), what each weighs.
        counts: int64 (N,), how many are each object's.
        total: float32 (N,), sum over an object's pairs.
    """

    first: Tensor
    second: Tensor
    values: Tensor
    counts: Tensor
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
        count, height, width = boxes.shape
        # Every pair stands where its first pixel is. Whole relations fit into bytes.
        kind = torch.uint8 if related[0].dtype == torch.bool else related[0].dtype
        maps = boxes.new_zeros((count, len(DIRECTIONS), height, width), dtype=kind)
        for map_, direction, relation in zip(maps.unbind(1), DIRECTIONS, related, strict=True):
            box1, box2 = pair_views(boxes, direction, dilation)
            area1, area2 = pair_views(area, direction, dilation)
            counts = (box1 & area2).view(torch.uint8) + (box2 & area1).view(torch.uint8)
            pair_views(map_, direction, dilation)[0].copy_(counts * relation)
        maps = maps.flatten(1)
        places = maps.flatten().nonzero()[:, 0]  # object by object, as they lie in memory
        bounds = torch.arange(count + 1, device=places.device) * maps.shape[1]
        cells = height * width
        first = places % cells
        steps = [(down * width + right) * dilation for down, right in DIRECTIONS]
        return PairWeights(
            first,
            first + index_on(places.device, steps)[places // cells % len(DIRECTIONS)],
            maps.flatten()[places].float(),
            torch.searchsorted(places, bounds).diff(),
            maps.sum(1, dtype=torch.float32),
        )


def pair_costs(logits: Tensor, weights: PairWeights, object_index: Tensor) -> Tensor:
    """-log P(both pixels carry the same label), summed over the pairs of each predicted mask.

    With p = sigmoid(a) and q = sigmoid(b), p q + (1 - p)(1 - q) is (1 + e^(a+b)) divided by
    (1 + e^a)(1 + e^b), so the cost of a pair is softplus(a) + softplus(b) - softplus(a + b).

    Args:
        logits: (P, h, w) of the masks.
        weights: of N objects.
        object_index: int64 (P,).

    Returns:
        (P,), weighted sums.
    """
    counts = weights.counts[object_index]
    mask = torch.repeat_interleave(counts)
    # A mask's pairs are its object's: they begin elsewhere in the list than among all masks'.
    begin = weights.counts.cumsum(0) - weights.counts
    shift = begin[object_index] - (counts.cumsum(0) - counts)
    listed = torch.arange(len(mask), device=mask.device).add_(shift.index_select(0, mask))
    origin = mask * (logits.shape[1] * logits.shape[2])
    first, second, values = (
        of_pairs.index_select(0, listed)
        for of_pairs in (weights.first, weights.second, weights.values)
    )
    cells = logits.flatten()
    one, other = (
        cells.index_select(0, first.add_(origin)),
        cells.index_select(0, second.add_(origin)),
    )
    costs = F.softplus(one) + F.softplus(other) - F.softplus(one + other)
    # In double precision, as one is added to the other.
    sums = torch.zeros(len(logits), dtype=torch.float64, device=logits.device)
    return sums.index_add(0, mask, (costs * values).double()).to(logits.dtype)
