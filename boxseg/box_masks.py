"""From boxes to the masks that they fill, and from masks to their boxes."""

from __future__ import annotations

import torch
from torch import Tensor


def box_profiles(boxes: Tensor, stride: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of a map that each box fills; the box's mask is their outer product.

    A box fills pixel rows int(y0) to int(y1 + 1) - 1 (columns likewise), as in BoxInst; a cell of
    the map takes the pixel at stride // 2 + stride * index.

    Args:
        boxes: (N, 4), XYXY in pixels.
        stride: of the map, in pixels.
        height, width: of the map.

    Returns:
        bool (N, height) and bool (N, width).
    """
    first = boxes[:, :2].trunc()
    after_last = (boxes[:, 2:] + 1).trunc()

    def filled(axis: int, cells: int) -> Tensor:
        pixels = torch.arange(cells, device=boxes.device) * stride + stride // 2
        return (pixels >= first[:, axis, None]) & (pixels < after_last[:, axis, None])

    return filled(1, height), filled(0, width)


def box_masks(boxes: Tensor, stride: int, height: int, width: int) -> Tensor:
    """The cells of a map that each box fills: bool (N, height, width); see `box_profiles`."""
    rows, columns = box_profiles(boxes, stride, height, width)
    return rows[:, :, None] & columns[:, None]


def extent(present: Tensor) -> tuple[Tensor, Tensor]:
    """First index that is present and one past the last, of each row of bool (N, L).

    0 and 0 where nothing is present.
    """
    length = present.shape[1]
    some = present.any(dim=1)
    first = present.int().argmax(dim=1)
    last = length - present.flip(1).int().argmax(dim=1)
    return first * some, last * some


def tight_boxes(masks: Tensor) -> Tensor:
    """Tight boxes of bool (N, H, W): float32 (N, 4), XYXY in pixels; 0 where a mask is empty."""
    # The maximum of bytes is many times faster than `any` of booleans.
    as_bytes = masks.view(torch.uint8)
    x0, x1 = extent(as_bytes.amax(dim=1) > 0)
    y0, y1 = extent(as_bytes.amax(dim=2) > 0)
    return torch.stack([x0, y0, x1, y1], dim=1).float()


def mask_areas(masks: Tensor) -> Tensor:
    """Pixels of each mask, bool (N, H, W): int32 (N,)."""
    # Sums that fit a byte are vectorised on a CPU, and many times faster than those of booleans.
    cells = masks.flatten(1).view(torch.uint8)
    whole = cells.shape[1] - cells.shape[1] % 128
    of_runs = cells[:, :whole].unflatten(1, (-1, 128)).sum(dim=2, dtype=torch.uint8)
    rest = cells[:, whole:].sum(dim=1, dtype=torch.int32)
    return of_runs.sum(dim=1, dtype=torch.int32) + rest
