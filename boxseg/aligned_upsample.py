"""Upsampling that keeps cell (i, j) at pixel stride * i + stride // 2."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def aligned_upsample(maps: Tensor, factor: int) -> Tensor:
    """Enlarge maps by an integer factor, linearly, with cells at their FCOS locations.

    Output row f * i + f // 2 equals input row i; rows between are interpolated, rows before the
    first and after the last repeat them. Plain bilinear resizing would move every cell by half a
    pixel against the locations that the relative coordinates are measured from.

    Args:
        maps: (N, C, H, W).
        factor: f >= 1.

    Returns:
        (N, C, f * H, f * W).
    """
    return maps if factor == 1 else _Upsampling.apply(maps, factor)


class _Upsampling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, factor: int) -> Tensor:
        ctx.factor, ctx.size = factor, maps.shape[-2:]
        height, width = ctx.size
        bordered = F.pad(maps, (1, 1, 1, 1), mode="replicate")
        # Input cell i becomes row i + 1 of `bordered` and row f * (i + 1) of `fine`.
        fine = F.interpolate(
            bordered,
            size=((height + 1) * factor + 1, (width + 1) * factor + 1),
            mode="bilinear",
            align_corners=True,
        )
        start = factor - factor // 2
        # Many terms read it: the copy of the rows and columns that count is made once.
        fine = fine[..., start : start + height * factor, start : start + width * factor]
        return fine.contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # PyTorch's gradient of `interpolate` adds pixel by pixel, and takes eight times as long as
        # the two products that say the same: the enlarging matrices are small.
        rows, columns = (weights(size, ctx.factor, gradient) for size in ctx.size)
        return rows.T @ gradient @ columns, None


def weights(length: int, factor: int, like: Tensor) -> Tensor:
    """What each of `factor * length` places takes from each of `length` cells, along one side.

    Args:
        length: cells.
        factor: of the enlargement.
        like: of the type and on the device of the result.

    Returns:
        (factor * length, length); every row adds up to 1.
    """
    places = torch.arange(factor * length, device=like.device, dtype=torch.float32)
    cells = ((places - factor // 2) / factor).clamp(0, length - 1)
    distances = (cells[:, None] - torch.arange(length, device=like.device)).abs()
    return (1 - distances).clamp(min=0).to(like.dtype)
