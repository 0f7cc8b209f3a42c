"""Two views of one image, and how boxes and masks go from one to the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class View:
    """How a view was made from the original image: resized, then mirrored or not.

    Attributes:
        height, width: of the view, in pixels.
        flipped: mirrored left to right.
    """

    height: int
    width: int
    flipped: bool = False


def boxes_between(boxes: Tensor, source: View, target: View) -> Tensor:
    """Boxes (N, 4), XYXY in pixels of `source`, in pixels of `target`."""
    scale = torch.tensor(
        [target.width / source.width, target.height / source.height], dtype=boxes.dtype
    )
    moved = boxes * scale.repeat(2).to(boxes.device, non_blocking=True)
    if source.flipped == target.flipped:
        return moved
    x0, y0, x1, y1 = moved.unbind(dim=1)
    return torch.stack((target.width - x1, y0, target.width - x0, y1), dim=1)


def maps_between(maps: Tensor, source: View, target: View) -> Tensor:
    """Maps (N, height, width) of `source`, bilinearly resized, in the pixels of `target`."""
    if (source.height, source.width) != (target.height, target.width):
        maps = F.interpolate(
            maps[:, None],
            size=(target.height, target.width),
            mode="bilinear",
            align_corners=False,
        )[:, 0]
    return maps if source.flipped == target.flipped else maps.flip(2)
