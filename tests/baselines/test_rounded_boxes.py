"""Boxes rounded to whole pixels, and the cells that they fill."""

from __future__ import annotations

import pytest
import torch
from detectron2.structures import Boxes, Instances

from baselines.rounded_boxes import rounded_box_areas, rounded_box_centers, rounded_box_masks
from boxseg.condinst.centers import centroids

PADDED = (96, 128)


def objects_of(seed: int) -> Instances:
    """Twelve boxes of an image that is smaller than its batch; some reach beyond its border."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(12, 2, generator=generator) * 80
    one = Instances((83, 101))
    sides = torch.rand(12, 2, generator=generator) * 50 + 2
    one.gt_boxes = Boxes(torch.cat((corners, corners + sides), dim=1))
    return one


def test_rounded_boxes_fill_both_ends_and_their_centre_is_the_mean_pixel() -> None:
    boxes = torch.tensor([[2.5, 3.5, 5.49, 7.5], [0.0, 0.0, 128.0, 96.0]])
    masks = rounded_box_masks(boxes, torch.tensor([PADDED]), 1, PADDED)
    rows, columns = masks[0].any(dim=1).nonzero()[:, 0], masks[0].any(dim=0).nonzero()[:, 0]
    assert (rows.tolist(), columns.tolist()) == ([4, 5, 6, 7, 8], [2, 3, 4, 5])  # halves to even
    assert masks[1].all()
    one = objects_of(3)
    size = one.image_size
    masks = rounded_box_masks(one.gt_boxes.tensor, torch.tensor([size]), 1, size)
    torch.testing.assert_close(rounded_box_centers(one), centroids(masks))
    assert torch.equal(rounded_box_areas(one), masks.sum(dim=(1, 2)).float())


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_boxes_fill_cells_whose_four_middle_pixels_have_a_mean_of_one_half(stride: int) -> None:
    one = objects_of(5)
    boxes, sizes = one.gt_boxes.tensor, torch.tensor([one.image_size])
    pixels = rounded_box_masks(boxes, sizes, 1, PADDED).float()
    middle = pixels.unfold(1, stride, stride).unfold(2, stride, stride)
    half = stride // 2
    mean = middle[..., half - 1 : half + 1, half - 1 : half + 1].mean(dim=(3, 4))
    size = (PADDED[0] // stride, PADDED[1] // stride)
    assert torch.equal(rounded_box_masks(boxes, sizes, stride, size), mean >= 0.5)


def test_boxes_fill_cells_by_half() -> None:
    """Of a cell of 4 x 4 pixels the middle 2 x 2 count, and two of them fill it."""
    boxes = torch.tensor([[1.6, 2.4, 5.0, 6.5], [2.0, 2.0, 9.0, 9.0], [0.0, 0.0, 16.0, 16.0]])
    sizes = torch.tensor([[16, 16], [16, 16], [12, 16]])
    cells = rounded_box_masks(boxes, sizes, 4, (4, 4))
    # Columns 2 to 5 and rows 2 to 6: one middle column of either cell, one row and two.
    assert cells[0].int().tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [0] * 4, [0] * 4]
    assert cells[1].int().tolist() == [[0, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0], [0] * 4]
    assert cells[2].int().tolist() == [[1] * 4, [1] * 4, [1] * 4, [0] * 4]
