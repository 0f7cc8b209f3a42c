"""The tree filter (Song et al., NeurIPS 2019): means weighted along a minimum spanning tree.

S_ij is the product of the edge weights along the path from i to j, S_ii = 1. With up and down the
sums of `SpanningTrees`, S = down (1 - w^2) up: what a cell's own subtree gives comes with the sum
below it, what the rest of the tree gives comes through its parent, and 1 - w^2 takes out what would
come back. No matrix is inverted, so that edges of weight 1, in flat regions, are as good as others.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from baselines.level_set.spanning_trees import SpanningTrees


def tree_filter(maps: Tensor, guide: Tensor, sigma: float = 1.0) -> Tensor:
    """Means over the whole grid, sum_j S_ij x_j / sum_j S_ij, with edge weights exp(-d / sigma).

    d is the squared distance of two neighbours in the guide. The tree itself is constant.

    Args:
        maps: (B, K, h, w), K maps of every image.
        guide: (B, C, h, w), in whose tree the maps of an image are filtered.
        sigma: of the edge weights.

    Returns:
        (B, K, h, w), with gradient to the maps and, through the edge weights, to the guide.
    """
    images, count, height, width = maps.shape
    trees = SpanningTrees.of(guide)
    weights = torch.exp(-trees.edge_distances(guide) / sigma).to(maps.dtype)
    cells = maps.flatten(2).transpose(1, 2).flatten(0, 1)
    sums = _SumsAlongTrees.apply(
        torch.cat((cells, torch.ones_like(weights)[:, None]), 1), weights, trees
    )
    means = sums[:, :count] / sums[:, count:]
    return means.unflatten(0, (images, -1)).transpose(1, 2).unflatten(2, (height, width))


class _SumsAlongTrees(torch.autograd.Function):
    """S x of values (cells, K): (cells, K), with gradients to values and edge weights."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weights: Tensor, trees: SpanningTrees) -> Tensor:
        paths = trees.path_weights(weights)
        below = trees.sums_of_descendants(values, paths)
        sums = trees.sums_of_ancestors(below * (1 - paths[0].square()), paths)
        ctx.trees = trees
        ctx.save_for_backward(weights, below, sums)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:
        weights, below, sums = ctx.saved_tensors
        trees: SpanningTrees = ctx.trees
        paths = trees.path_weights(weights)
        # S is symmetric: the gradient of the values is the same filter's.
        gradient_below = trees.sums_of_descendants(gradient, paths)
        of_values = trees.sums_of_ancestors(gradient_below * (1 - paths[0].square()), paths)
        of_weights = None
        if ctx.needs_input_grad[1]:
            # An edge joins what is below it with what comes to its upper end from elsewhere.
            elsewhere = sums.index_select(0, trees.parents) - paths[0] * below
            gradient_elsewhere = (
                of_values.index_select(0, trees.parents) - paths[0] * gradient_below
            )
            of_weights = (gradient_below * elsewhere + below * gradient_elsewhere).sum(dim=1)
            of_weights = torch.where(paths[0][:, 0] == 0, 0, of_weights)
        return of_values, of_weights, None
