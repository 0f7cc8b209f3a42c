"""Boxes as the level-set methods draw them: rounded to whole pixels, both ends filled.

A side at x fills the pixel that it rounds to, halves to the even number, so that a box from 2.4 to
5.6 fills columns 2 to 6. BoxInst's rule, which the rest of the suite keeps to, is another
(`boxseg.box_masks.box_profiles`).
"""

from __future__ import annotations

import torch
from detectron2.structures import Instances
from torch import Tensor


def rounded_ends(boxes: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """First and last pixel, x and y, that each box fills of an image: (N, 2) each.

    Args:
        boxes: (N, 4), XYXY in pixels.
        height, width: of the image, which cuts them.
    """
    border = torch.tensor([width - 1, height - 1]).to(boxes)
    first, last = boxes.round().split(2, dim=1)
    return first.clamp(min=0), last.minimum(border)


def rounded_box_masks(boxes: Tensor, height: int, width: int) -> Tensor:
    """The pixels of an image that each box fills: bool (N, height, width); see `rounded_ends`."""
    first, last = rounded_ends(boxes, height, width)

    def filled(axis: int, size: int) -> Tensor:
        pixels = torch.arange(size, device=boxes.device)
        return (pixels >= first[:, axis, None]) & (pixels <= last[:, axis, None])

    return filled(1, height)[:, :, None] & filled(0, width)[:, None]


def rounded_box_centers(objects: Instances) -> Tensor:
    """Mean pixel index of the pixels that each box fills: (N, 2), x, y in pixels."""
    first, last = rounded_ends(objects.gt_boxes.tensor, *objects.image_size)
    return (first + last) / 2


def rounded_box_areas(objects: Instances) -> Tensor:
    """Pixels that each box fills: (N,)."""
    first, last = rounded_ends(objects.gt_boxes.tensor, *objects.image_size)
    return (last - first + 1).clamp(min=0).prod(dim=1)


def shrunk_masks(masks: Tensor, stride: int) -> Tensor:
    """Masks resized to a stride as bytes are by bilinear interpolation (OpenCV's rule).

    The centre of a cell of an even stride lies between the two middle pixels of either axis; a cell
    is filled where the mean of these four is at least one half.

    Args:
        masks: bool (N, H, W); sides are multiples of the stride.
        stride: even.

    Returns:
        bool (N, H / stride, W / stride).
    """
    before = stride // 2 - 1
    middle = masks.to(torch.uint8)
    rows = middle[:, before::stride] + middle[:, before + 1 :: stride]
    return rows[:, :, before::stride] + rows[:, :, before + 1 :: stride] >= 2
