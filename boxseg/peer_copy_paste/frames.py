"""Moving images and masks between frames of different size."""

from __future__ import annotations

from torch import Tensor


def moved(maps: Tensor, offset: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Maps (..., h, w) in a frame of another size, zero where there is nothing.

    Args:
        maps: of any type.
        offset: (x, y) in the frame of the maps' first pixel; what falls outside is cut off.
        size: height and width of the frame.
    """
    x, y = offset
    height, width = maps.shape[-2:]
    frame = maps.new_zeros((*maps.shape[:-2], *size))
    top, bottom = max(y, 0), min(y + height, size[0])
    left, right = max(x, 0), min(x + width, size[1])
    if top < bottom and left < right:
        frame[..., top:bottom, left:right] = maps[..., top - y : bottom - y, left - x : right - x]
    return frame
