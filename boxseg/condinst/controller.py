"""The controller: the parameters of an object's own mask head, predicted at a cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

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
    heights, widths = [f.shape[2] for f in features], [f.shape[3] for f in features]
    sizes = [len(f) * h * w for f, h, w in zip(features, heights, widths, strict=True)]
    ends = list(accumulate(sizes))
    starts = [end - size for end, size in zip(ends, sizes, strict=True)]
    of_level = torch.tensor([ends, starts, heights, widths]).to(device, non_blocking=True)
    level = torch.bucketize(cells, of_level[0], right=True)
    start, height, width = of_level[1:, level].unsqueeze(2)
    within = cells[:, None] - start
    down = torch.arange(-1, 2, device=device).repeat_interleave(3)
    right = torch.arange(-1, 2, device=device).repeat(3)
    rows = (within // width) % height + down
    columns = within % width + right
    valid = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    neighbours = cells[:, None] + down * width + right
    return F.embedding(neighbours.masked_fill(~valid, len(table) - 1), table).flatten(1)
