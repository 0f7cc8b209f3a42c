"""Where the other boxes of an image are in an object's cut-out: what may stand in front of it."""

from __future__ import annotations

import torch
from torch import Tensor

from boxseg.cutouts.cutouts import cell_pixels

MOST = 16
"""Other boxes of an object that are looked at; where they crowd, those that share most of it."""
ON_ELLIPSE = 2.0
"""Nearness on the ellipse that touches a box's sides; in its corners it is 1 less."""


def other_boxes(boxes: Tensor) -> Tensor:
    """How near each cell is to the middle of a smaller box, and to that of a larger one.

    Nearness is 3 in the middle of a box and falls with the square of the distance to 1 in its
    corners; outside it is 0. Of several boxes the greatest counts.

    Args:
        boxes: float32 (N, 4), XYXY in pixels, with an area.

    Returns:
        float32 (N, 2, GRID, GRID).
    """
    low = torch.maximum(boxes[:, None, :2], boxes[:, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2).fill_diagonal_(0)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    pixels = cell_pixels(boxes)
    near = pixels.new_zeros(len(boxes), 2, pixels.shape[1], pixels.shape[1])
    # One rank after the other: a crowd's maps all at once would take gigabytes.
    ranked = shared.topk(min(MOST, len(boxes)), dim=1)
    for share, other in zip(ranked.values.T, ranked.indices.T, strict=True):
        there = share > 0
        smaller = areas[other] < areas
        of_other = nearness(pixels, boxes[other])
        for place, chosen in enumerate((there & smaller, there & ~smaller)):
            of_place = torch.where(chosen[:, None, None], of_other, 0.0)
            near[:, place] = torch.maximum(near[:, place], of_place)
    return near


def nearness(pixels: Tensor, boxes: Tensor) -> Tensor:
    """That of cells to the middle of one box each: float32 (N, GRID, GRID).

    Args:
        pixels: (N, GRID, 2), x of columns and y of rows.
        boxes: (N, 4), XYXY likewise.
    """
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    places = (2 * pixels - low - high) / (high - low)
    columns, rows = places.square().unbind(dim=2)
    near = ON_ELLIPSE + 1 - rows[:, :, None] - columns[:, None]
    in_columns, in_rows = (places.abs() < 1).unbind(dim=2)
    return near * (in_rows[:, :, None] & in_columns[:, None])
