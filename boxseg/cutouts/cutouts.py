"""Objects cut out of an image with what surrounds them, all on a grid of one size.

So small objects lose nothing, and a box's sides are at the same places in every cut-out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import roi_align

from boxseg.color import rgb_to_lab

GRID = 64
"""Cells along a side of a cut-out."""
MARGIN = 0.3
"""Of the box's sides that a cut-out has on each side besides the box."""
PIXELS_OF_A_CELL = 2
"""Along a side, of the pictures that a network sees."""
MOST_SAMPLES = 16
"""Along a side of a cell, that its mean colour is taken of; fewer where it has fewer pixels."""


@dataclass(frozen=True)
class Cutouts:
    """Objects and what surrounds them, each on a grid of `GRID` x `GRID` cells.

    Attributes:
        lab: float32 (N, 3, GRID, GRID), CIE LAB, of the mean colours of the cells.
        inside: bool (N, GRID, GRID), the cell is in the box and in the image.
        outside: bool, likewise, it is in the image and not in the box.
    """

    lab: Tensor
    inside: Tensor
    outside: Tensor

    @classmethod
    def of(cls, image: Tensor, boxes: Tensor) -> Cutouts:
        """Cut N boxes out of an image (3, H, W), RGB, 0-255.

        Args:
            image: on the device to compute on.
            boxes: float32 (N, 4), XYXY in pixels, with an area.
        """
        height, width = image.shape[1:]
        # Averaged first: a large photograph in LAB would take a gigabyte.
        lab = rgb_to_lab(_averages(image, boxes, GRID))
        places = cell_places(boxes.device)
        size = torch.tensor([width, height], dtype=boxes.dtype, device=boxes.device)
        pixels = cell_pixels(boxes)
        columns, rows = ((pixels >= 0) & (pixels < size)).unbind(dim=2)
        there = rows[:, :, None] & columns[:, None]
        in_side = (places > 0) & (places < 1)
        in_box = in_side[:, None] & in_side
        return cls(lab, there & in_box, there & ~in_box)

    def __len__(self) -> int:
        return len(self.lab)

    def __getitem__(self, objects: slice) -> Cutouts:
        """Those of some objects."""
        return Cutouts(self.lab[objects], self.inside[objects], self.outside[objects])


def pixels_of(image: np.ndarray, device: torch.device) -> Tensor:
    """An image (H, W, 3) as what is cut out of: (3, H, W), on the device to compute on."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(device)


def pictures(image: Tensor, boxes: Tensor) -> Tensor:
    """The cut-outs as pictures: uint8 (N, 3, P, P), RGB, P = GRID * PIXELS_OF_A_CELL.

    Args:
        image: (3, H, W), RGB, 0-255.
        boxes: float32 (N, 4), XYXY in pixels, with an area.
    """
    return _averages(image, boxes, GRID * PIXELS_OF_A_CELL).round().to(torch.uint8)


def _averages(image: Tensor, boxes: Tensor, cells: int) -> Tensor:
    """Mean colours of cells x cells cells of each cut-out: float32 (N, 3, cells, cells)."""
    windows = enlarged(boxes)
    longest = (windows[:, 2:] - windows[:, :2]).amax(dim=1)
    # A whole photograph of 20 megapixels, sampled at every pixel, takes 2 GB.
    sampled = longest > MOST_SAMPLES * cells
    means = windows.new_empty(len(boxes), 3, cells, cells)
    for chosen, samples in ((~sampled, 0), (sampled, MOST_SAMPLES)):
        if bool(chosen.any()):
            means[chosen] = roi_align(
                image.float()[None], [windows[chosen]], cells, sampling_ratio=samples, aligned=True
            )
    return means


def enlarged(boxes: Tensor) -> Tensor:
    """What a cut-out shows of the image: boxes (N, 4) with `MARGIN` on each side."""
    sides = (boxes[:, 2:] - boxes[:, :2]) * MARGIN
    return torch.cat((boxes[:, :2] - sides, boxes[:, 2:] + sides), dim=1)


def cell_places(device: torch.device, cells: int = GRID) -> Tensor:
    """Middles of the cells along a side, in sides of the box from its beginning: (cells,)."""
    middles = (torch.arange(cells, device=device) + 0.5) / cells
    return middles * (1 + 2 * MARGIN) - MARGIN


def cell_pixels(boxes: Tensor) -> Tensor:
    """Where in the image the middles of the cells are: (N, GRID, 2), x of columns and y of rows."""
    windows = enlarged(boxes)
    low, high = windows[:, None, :2], windows[:, None, 2:]
    shares = (cell_places(boxes.device)[:, None] + MARGIN) / (1 + 2 * MARGIN)
    return low + shares * (high - low)


def ellipse_profile(device: torch.device) -> Tensor:
    """1 in the middle of the box, 0 on the ellipse that touches its sides: (GRID, GRID).

    It falls with the square of the distance, in half sides, and is below 0 outside the ellipse.
    """
    distance = (2 * cell_places(device) - 1).square()
    return 1 - distance[:, None] - distance
