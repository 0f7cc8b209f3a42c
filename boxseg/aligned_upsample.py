"""Upsampling that keeps cell (i, j) at pixel stride * i + stride // 2."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


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
    if factor == 1:
        return maps
    height, width = maps.shape[-2:]
    bordered = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    # Input cell i becomes row i + 1 of `bordered` and row f * (i + 1) of `fine`.
    fine = F.interpolate(
        bordered,
        size=((height + 1) * factor + 1, (width + 1) * factor + 1),
        mode="bilinear",
        align_corners=True,
    )
    start = factor - factor // 2
    return fine[..., start : start + height * factor, start : start + width * factor]
