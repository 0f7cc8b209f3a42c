"""Minimum spanning trees of images' pixel grids, in a form that can be summed along anywhere.

A tree has hundreds of levels, so nothing here goes level by level. The products of edge weights
along paths to ancestors 1, 2, 4, 8, ... steps up compose all longer ones: sums along a tree take
as many steps as its depth has binary digits, each of them one operation on all cells of all images,
on any device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse as sparse
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from torch import Tensor


@dataclass(frozen=True)
class SpanningTrees:
    """Rooted trees over the cells of B grids, all images' cells one after the other.

    Attributes:
        ancestors: int64 (R, B * h * w), row r holds each cell's ancestor 2^r steps up; a root is
            its own ancestor, and the last row holds nothing but roots.
    """

    ancestors: Tensor

    @property
    def parents(self) -> Tensor:
        """The next cell towards the root: int64 (B * h * w,)."""
        return self.ancestors[0]

    @staticmethod
    @torch.no_grad()
    def of(guide: Tensor) -> SpanningTrees:
        """Trees of the least sum of (d + 1), d the squared distance of neighbours in the guide.

        Of 4-connected grids. Sums d + 1 are compared in float32, as the published operator does:
        distances closer than about 1.2e-7 tie, as on smooth guides and on padding they often do.
        Of tied edges the earlier one is taken: vertical ones come first, each kind row by row.

        Args:
            guide: (B, C, h, w).

        Returns:
            Trees on the guide's device, made on the CPU.
        """
        images, _, height, width = guide.shape
        distances = grid_distances(guide).float().cpu().numpy() + np.float32(1)
        first, second = grid_edges(height, width)
        cells, root = height * width, images * height * width
        start = np.arange(images)[:, None] * cells
        # Ranks, not weights: they say the order that ties are taken in, at any scale of the guide.
        ranks = np.empty(distances.size)
        ranks[np.argsort(distances, axis=None, kind="stable")] = np.arange(1, distances.size + 1)
        # One graph of all images: a cell of its own binds them together, and is the root of all.
        graph = sparse.coo_array(
            (
                np.concatenate((ranks, np.full(images, distances.size + 1.0))),
                (
                    np.concatenate(((start + first).ravel(), start[:, 0])),
                    np.concatenate(((start + second).ravel(), np.full(images, root))),
                ),
            ),
            shape=(root + 1, root + 1),
        ).tocsr()
        _, parents = breadth_first_order(minimum_spanning_tree(graph), root, directed=False)
        parents = parents[:root].astype(np.int64)
        parents[start[:, 0]] = start[:, 0]
        rows = [parents]
        while (parents[rows[-1]] != rows[-1]).any():
            rows.append(rows[-1][rows[-1]])
        return SpanningTrees(torch.from_numpy(np.stack(rows)).to(guide.device))

    def edge_distances(self, guide: Tensor) -> Tensor:
        """Squared distance of each cell to its parent in a guide (B, C, h, w): (B * h * w,).

        With gradient to the guide; 0 at roots.
        """
        values = guide.flatten(2).transpose(1, 2).flatten(0, 1)
        return (values - values.index_select(0, self.parents)).square().sum(dim=1)

    def path_weights(self, weights: Tensor) -> list[Tensor]:
        """Products of edge weights along the paths to `ancestors`, a column (B * h * w, 1) a row.

        Args:
            weights: (B * h * w,), of the edge from each cell to its parent; those of roots do not
                count. A path that would go beyond the root weighs nothing.
        """
        products = [torch.where(self.parents == _numbers(self.parents), 0, weights)]
        for ancestors in self.ancestors[:-1]:
            products.append(products[-1] * products[-1][ancestors])
        return [product[:, None] for product in products]

    def sums_of_descendants(self, values: Tensor, paths: list[Tensor]) -> Tensor:
        """Every cell's value with those of the cells below it, each times the path's weight.

        Args:
            values: (B * h * w, K).
            paths: see `path_weights`.
        """
        for ancestors, weights in zip(self.ancestors, paths, strict=True):
            values = values.index_add(0, ancestors, weights * values)
        return values

    def sums_of_ancestors(self, values: Tensor, paths: list[Tensor]) -> Tensor:
        """Every cell's value with those of the cells above it; the transpose of the sum below."""
        for ancestors, weights in zip(self.ancestors, paths, strict=True):
            values = torch.addcmul(values, weights, values.index_select(0, ancestors))
        return values


def grid_distances(guide: Tensor) -> Tensor:
    """Squared distances (B, E) of neighbours in a guide (B, C, h, w), in the order of `grid_edges`.

    Sums, not means, over the channels.
    """
    vertical = (guide[:, :, 1:] - guide[:, :, :-1]).square().sum(dim=1)
    horizontal = (guide[..., 1:] - guide[..., :-1]).square().sum(dim=1)
    return torch.cat((vertical.flatten(1), horizontal.flatten(1)), dim=1)


@lru_cache(maxsize=64)
def grid_edges(height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Both cells of every edge of a 4-connected grid, int64 (E,) each: vertical edges first."""
    cells = np.arange(height * width).reshape(height, width)
    first = np.concatenate((cells[:-1].ravel(), cells[:, :-1].ravel()))
    second = np.concatenate((cells[1:].ravel(), cells[:, 1:].ravel()))
    return first, second


def _numbers(like: Tensor) -> Tensor:
    return torch.arange(len(like), device=like.device)
