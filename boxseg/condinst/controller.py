"""The controller: the parameters of an object's own mask head, predicted at a cell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Controller(nn.Conv2d):
    """A 3x3 convolution over the box tower's features, evaluated only at the cells asked for.

    Args:
        channels: of the box tower's features.
        num_parameters: of one mask head.
    """

    def __init__(self, channels: int, num_parameters: int) -> None:
        super().__init__(channels, num_parameters, 3, padding=1)
        assert self.bias is not None
        nn.init.normal_(self.weight, std=0.01)
        nn.init.zeros_(self.bias)

    def at(self, features: Sequence[Tensor], cells: Tensor) -> Tensor:
        """The convolution's output at some cells, equal to taking them from the whole map.

        Args:
            features: per level, (B, C, H, W).
            cells: int64 (P,), counted level slowest, then image, row, column.

        Returns:
            (P, num_parameters).
        """
        assert self.bias is not None
        patches = gather_patches(features, cells)
        weight = self.weight.permute(2, 3, 1, 0).flatten(0, 2)
        return torch.addmm(self.bias, patches.to(weight.dtype), weight)


def gather_patches(features: Sequence[Tensor], cells: Tensor) -> Tensor:
    """The 3x3 neighbourhoods of some cells, zero outside the map.

    Args:
        features: per level, (B, C, H, W).
        cells: int64 (P,), counted level slowest, then image, row, column.

    Returns:
        (P, 9 * C): neighbours row by row, channels fastest.
    """
    device, channels = cells.device, features[0].shape[1]
    outside = features[0].new_zeros(1, channels)
    table = torch.cat([*(f.permute(0, 2, 3, 1).flatten(0, 2) for f in features), outside])
    sizes = torch.tensor([f.shape[0] * f.shape[2] * f.shape[3] for f in features], device=device)
    ends = sizes.cumsum(0)
    level = torch.bucketize(cells, ends, right=True)
    height = torch.tensor([f.shape[2] for f in features], device=device)[level]
    width = torch.tensor([f.shape[3] for f in features], device=device)[level]
    within = cells - (ends - sizes)[level]
    column = within % width
    row = (within // width) % height
    step = torch.arange(-1, 2, device=device)
    rows = row[:, None] + step.repeat_interleave(3)
    columns = column[:, None] + step.repeat(3)
    neighbours = cells[:, None] + step.repeat_interleave(3) * width[:, None] + step.repeat(3)
    valid = (rows >= 0) & (rows < height[:, None]) & (columns >= 0) & (columns < width[:, None])
    neighbours = neighbours.where(valid, torch.full_like(neighbours, len(table) - 1))
    return F.embedding(neighbours, table).flatten(1)
