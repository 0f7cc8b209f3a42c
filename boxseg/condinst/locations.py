"""Where the cells of a feature map lie in the image."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def cell_locations(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """Centres of the cells of a feature map, row by row.

    Cell (i, j) lies at x = stride * j + stride // 2, y = stride * i + stride // 2.

    Returns:
        float32 (height * width, 2): x, y in pixels of the network's input. It is kept for the next
        map of this shape and must not be changed.
    """
    offset = stride // 2
    x = torch.arange(width, device=device, dtype=torch.float32) * stride + offset
    y = torch.arange(height, device=device, dtype=torch.float32) * stride + offset
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((columns.reshape(-1), rows.reshape(-1)), dim=1)
