"""Which cells of two objects correspond, and what one object says about the other (DiscoBox).

As in the released code: neighbouring cells vote for shifts that they share, instead of the paper's
optimal transport, and probabilities are used as logits once more.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 4
"""Cells that the first correspondences may be apart."""

ROUNDS = 10
LEAST, MOST = 0.1, 0.9
"""Between which a stored mask's probabilities count in messages."""

OBJECTS_AT_ONCE = 8
"""Whose messages are computed together: each takes tens of megabytes at the papers' mask size."""


def unit_features(features: Tensor) -> Tensor:
    """Features (..., C, S, S) without what is negative, each cell's of length 1."""
    return F.normalize(features.relu(), dim=-3)


def cell_cosines(own: Tensor, others: Tensor) -> Tensor:
    """Cosines of all pairs of cells: (M, n, S * S, S * S), the own cells first.

    Args:
        own: (M, C, S, S), features of M objects.
        others: (M, n, C, S, S), those of n objects that each is compared with.
    """
    a, b = own.flatten(2), others.flatten(3)
    products = torch.einsum("mca,mncb->mnab", a, b)
    lengths = (a.norm(dim=1) + 1e-4)[:, None, :, None], (b.norm(dim=2) + 1e-4)[:, :, None]
    return products / (lengths[0] * lengths[1])


def _of_rows(pairs: Tensor, least: float) -> Tensor:
    """Rows divided by their sums, to which so much is added."""
    return pairs / (pairs.sum(dim=-1, keepdim=True) + least)


def _joint_shifts(side: int, device: torch.device) -> Tensor:
    """Which pairs of cells are one step from which, both in one direction.

    Returns:
        float32 (S * S, S * S, 9): per direction, 1 if both cells have a neighbour there.
    """
    steps = torch.tensor([(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)], device=device)
    places = torch.arange(side, device=device)
    cells = torch.stack(torch.meshgrid(places, places, indexing="ij"), dim=-1).reshape(-1, 1, 2)
    there = ((cells + steps >= 0) & (cells + steps < side)).all(dim=2).float()
    return there[:, None] * there[None]


@torch.no_grad()
def smoothed(cosines: Tensor, side: int) -> Tensor:
    """Correspondences that neighbours agree with: (..., S * S, S * S), rows summing to about 1.

    Of the cosines of cells at most four apart, the mean over the 3 x 3 shifts of both cells
    together is added to the cosines, ten times; rows are normalised in between.

    Args:
        cosines: (..., S * S, S * S), not negative.
        side: S.
    """
    places = torch.arange(side, device=cosines.device)
    near = (places[:, None] - places).abs() <= REACH
    window = (near[:, None, :, None] & near[None, :, None]).reshape(side**2, side**2)
    counts = _joint_shifts(side, cosines.device).sum(dim=2)
    pairs = cosines * window
    for _ in range(ROUNDS):
        grid = F.pad(pairs.unflatten(-1, (side, side)).unflatten(-3, (side, side)), (1,) * 8)
        votes = torch.zeros_like(pairs).unflatten(-1, (side, side)).unflatten(-3, (side, side))
        for down in range(3):
            for right in range(3):
                rows, columns = slice(down, down + side), slice(right, right + side)
                votes += grid[..., rows, columns, rows, columns]
        votes = votes.flatten(-4, -3).flatten(-2) / counts
        pairs = _of_rows(cosines + _of_rows(votes, 1e-4), 1e-4)
    return pairs


def correspondence_loss(cosines: Tensor, pairs: Tensor) -> Tensor:
    """Cross-entropy of the cosines' softmax, used as logits, with the best pairs: (M,).

    Args:
        cosines: (M, n, S * S, S * S), with gradient.
        pairs: of the same shape; see `smoothed`.
    """
    logits = cosines.softmax(dim=-1).log_softmax(dim=-1)
    best = pairs.argmax(dim=-1, keepdim=True)
    return -logits.gather(-1, best).mean(dim=(1, 2, 3))


def transport(cosines: Tensor, pairs: Tensor) -> Tensor:
    """How much every cell of the other object counts for a cell of the own: rows sum to about 1."""
    return _of_rows(pairs * cosines.softmax(dim=-1), 1e-5)


def enlarged(transports: Tensor, side: int, mask_side: int) -> Tensor:
    """Transports between the cells of masks: (..., T * T, T * T), rows summing to about 1.

    Args:
        transports: (..., S * S, S * S).
        side, mask_side: S and T.
    """
    # Bilinear enlargement is linear: what it makes of single cells makes all.
    cells = torch.eye(side**2, device=transports.device).reshape(side**2, 1, side, side)
    size = (mask_side, mask_side)
    weights = F.interpolate(cells, size, mode="bilinear", align_corners=False).flatten(1)
    return weights.T @ transports @ weights * (side / mask_side) ** 2


@torch.no_grad()
def messages(transports: Tensor, own: Tensor, others: Tensor, side: int) -> Tensor:
    """What the masks of others say about an object's background and foreground: (M, 2, T, T).

    A cell of the other counts where both masks are sure to more than one half, together.

    Args:
        transports: (M, n, S * S, S * S).
        own: (M, T, T), probabilities.
        others: (M, n, T, T).
        side: S.
    """
    mask_side = own.shape[-1]
    own, others = own.flatten(1)[:, None, :, None], others.flatten(2)[:, :, None]
    sure = others.clamp(LEAST, MOST)
    found = []
    for some in torch.arange(len(own), device=own.device).split(OBJECTS_AT_ONCE):
        ways, mine, its = enlarged(transports[some], side, mask_side), own[some], others[some]
        foreground = ways * (mine * its > 0.5) * sure[some]
        background = ways * ((1 - mine) * (1 - its) > 0.5) * (1 - sure[some])
        both = torch.stack((background.sum(dim=3), foreground.sum(dim=3)), dim=2)
        found.append(both.mean(dim=1))
    empty = own.new_zeros(0, 2, mask_side**2)
    return torch.cat([empty, *found]).unflatten(2, (mask_side, mask_side))
