"""DiscoBox's mean field: votes of neighbours of one colour, worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from baselines.discobox.mean_field import (
    RGB_MEAN,
    RGB_STD,
    BinaryMeanField,
    MeanField,
    NeighbourKernel,
    SoftMeanField,
    standard_colors,
)

FIRST = torch.zeros(1, dtype=torch.int64)


def two_halves(height: int, width: int, edge: int, contrast: float = 10.0) -> Tensor:
    """An image whose columns from the edge on have another colour."""
    colors = torch.zeros(1, 3, height, width)
    colors[:, :, :, edge:] = contrast
    return colors


def field_on(field: MeanField, colors: Tensor, start: Tensor, boxes: Tensor) -> Tensor:
    return field(field.kernel(colors), FIRST, start, boxes)


def test_kernel_of_two_pixels() -> None:
    colors = torch.tensor([0.0, 0.3]).expand(1, 3, 1, 2)
    kernel = NeighbourKernel.of(colors, 3, strength=2.0, color_scale=0.5, distance_scale=2.0)
    apart = 2.0 * math.exp(-(3 * 0.3**2) / (2 * 0.25) - 1 / (2 * 4))
    expected = torch.zeros(9, 1, 2)
    expected[4] = 2.0  # each pixel itself
    expected[5, 0, 0] = expected[3, 0, 1] = apart  # to its right, to its left
    torch.testing.assert_close(kernel.weights[0], expected)
    sums = kernel.sums(torch.tensor([[[1.0, 10.0]]]), FIRST)
    torch.testing.assert_close(sums, torch.tensor([[[2 + 10 * apart, 20 + apart]]]))


def test_each_object_has_its_image() -> None:
    colors = torch.cat((two_halves(1, 2, 1), two_halves(1, 2, 2)))
    kernel = NeighbourKernel.of(colors, distance_scale=math.inf)
    sums = kernel.sums(torch.tensor([[[1.0, 0.0]]] * 2), torch.tensor([1, 0]))
    torch.testing.assert_close(sums, torch.tensor([[[2.0, 2.0]], [[2.0, 0.0]]]))


@pytest.mark.parametrize("field", [BinaryMeanField(), SoftMeanField()])
def test_a_hole_is_filled_and_a_speck_is_lost(field: MeanField) -> None:
    boxes = torch.ones(1, 7, 12, dtype=torch.bool)
    start = torch.full((1, 7, 12), 0.2)
    start[:, :, :6] = 0.8
    start[:, 3, 3], start[:, 3, 9] = 0.4, 0.6
    found = field_on(field, two_halves(7, 12, 6), start, boxes)
    expected = torch.zeros_like(boxes)
    expected[:, :, :6] = True
    assert torch.equal(found, expected)


def test_colours_stop_the_votes() -> None:
    """A mask two columns too wide at the start shrinks to the colour it is of, and no further."""
    boxes = torch.ones(1, 5, 9, dtype=torch.bool)
    start = torch.zeros(1, 5, 9)
    start[:, :, :5] = 1.0
    start[:, ::2, 5] = 1.0
    # With one colour the ragged edge is smoothed; with an edge it is cut there.
    cut = field_on(BinaryMeanField(), two_halves(5, 9, 5), start, boxes)
    expected = torch.zeros_like(boxes)
    expected[:, :, :5] = True
    assert torch.equal(cut[:, :, :5], expected[:, :, :5])
    assert not cut[:, :, 6:].any()


@pytest.mark.parametrize("field", [BinaryMeanField(), SoftMeanField()])
def test_nothing_outside_the_box(field: MeanField) -> None:
    boxes = torch.zeros(1, 6, 6, dtype=torch.bool)
    boxes[:, 1:4, 2:5] = True
    colors = torch.zeros(1, 3, 6, 6)
    colors[:, :, 1:5, 2:5] = 10.0  # goes on below the box
    found = field_on(field, colors, torch.ones(1, 6, 6), boxes)
    assert torch.equal(found, boxes)


def test_a_corner_in_one_colour_is_rounded_off() -> None:
    """Of the 9 cells around a square's corner 4 are its own: the majority has it."""
    boxes = torch.zeros(1, 6, 6, dtype=torch.bool)
    boxes[:, 1:5, 1:5] = True
    once = field_on(BinaryMeanField(rounds=1), torch.zeros(1, 3, 6, 6), boxes.float(), boxes)
    expected = boxes.clone()
    expected[:, 1::3, 1::3] = False
    assert torch.equal(once, expected)


def test_the_start_speaks_in_every_round_of_the_soft_one_only() -> None:
    """A sure pixel among unsure ones of another label stays where the unary is kept."""
    boxes = torch.ones(1, 1, 3, dtype=torch.bool)
    start = torch.tensor([[[0.45, 0.99, 0.45]]])
    colors = torch.zeros(1, 3, 1, 3)
    weak = {"strength": 0.5, "distance_scale": math.inf, "base": 0.01, "rounds": 1}
    assert field_on(SoftMeanField(**weak), colors, start, boxes)[0, 0, 1]
    assert not field_on(BinaryMeanField(**weak), colors, start, boxes)[0, 0, 1]


def test_neither_label_where_nothing_speaks() -> None:
    """Kernels so strong that both products vanish beside the floor leave no foreground."""
    boxes = torch.ones(1, 9, 9, dtype=torch.bool)
    strong = BinaryMeanField(base=0.45, side=5, strength=3.0)
    assert not field_on(strong, torch.zeros(1, 3, 9, 9), torch.ones(1, 9, 9), boxes)[0, 4, 4]


def test_messages_decide_where_votes_are_even() -> None:
    boxes = torch.ones(1, 1, 1, dtype=torch.bool)
    colors, start = torch.zeros(1, 3, 1, 1), torch.full((1, 1, 1), 0.6)
    field = BinaryMeanField(rounds=1)
    kernel = field.kernel(colors)
    for background, foreground, expected in ((0.0, 0.0, True), (90.0, 0.0, False)):
        messages = torch.tensor([background, foreground]).reshape(1, 2, 1, 1)
        assert field(kernel, FIRST, start, boxes, messages).item() is expected


def test_standard_colors() -> None:
    mean, std = (torch.tensor(c)[:, None, None] for c in (RGB_MEAN, RGB_STD))
    images = (mean + std * torch.tensor([1.0, 3.0, 5.0, 7.0])).expand(1, 3, 4, 4)
    colors = standard_colors(images, [(4, 3)], (2, 2))
    # Corners are aligned: the outermost cells are the outermost pixels, the last one padding.
    torch.testing.assert_close(colors[0, 0], torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
