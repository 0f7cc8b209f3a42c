"""Pixel pairs: views, similarities of colours, and the pairwise term, by their definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from boxseg.box_supervision import color_similarities
from boxseg.pixel_pairs import PairWeights, pair_costs, pair_views
from tests.box_supervision_by_definition import (
    DIRECTIONS,
    NEIGHBOURS,
    Array,
    pairwise_by_definition,
    similarity_by_definition,
    soft_image,
)


@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    dilation=st.integers(1, 4),
)
def test_every_pair_of_neighbours_is_viewed_once(height: int, width: int, dilation: int) -> None:
    numbers = torch.arange(height * width).reshape(1, height, width)
    viewed = []
    for direction in DIRECTIONS:
        first, second = pair_views(numbers, direction, dilation)
        assert first.shape == second.shape
        viewed += list(zip(first.flatten().tolist(), second.flatten().tolist(), strict=True))
    expected = {
        frozenset(
            (row * width + column, (row + dilation * down) * width + column + dilation * right)
        )
        for row, column in itertools.product(range(height), range(width))
        for down, right in NEIGHBOURS
        if 0 <= row + dilation * down < height and 0 <= column + dilation * right < width
    }
    assert len(viewed) == len(expected)
    assert {frozenset(pair) for pair in viewed} == expected


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_view_pairs_a_pixel_with_its_neighbour_in_that_direction(
    direction: tuple[int, int],
) -> None:
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(7), indexing="ij")
    for places, step in ((rows, direction[0]), (columns, direction[1])):
        first, second = pair_views(places, direction, 2)
        assert (second - first == 2 * step).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_color_similarities_by_definition(dtype: torch.dtype) -> None:
    image = soft_image(12, 14, 3)
    maps = torch.from_numpy(image).permute(2, 0, 1)[None].to(dtype)
    similarities = color_similarities(maps, 2, 2)
    for direction, found in zip(DIRECTIONS, similarities, strict=True):
        assert found.dtype == torch.float32
        cells = torch.arange(6 * 7).reshape(6, 7)
        first, second = pair_views(cells, direction, 2)
        expected = [
            similarity_by_definition(image, 2, divmod(int(p), 7), divmod(int(q), 7))
            for p, q in zip(first.flatten(), second.flatten(), strict=True)
        ]
        np.testing.assert_allclose(found.flatten(), expected, atol=1e-4)


def related_pairs(related: Array, height: int, width: int, dilation: int) -> list[Tensor]:
    """A symmetric relation of flattened pixels in the shapes of `pair_views`."""
    cells = torch.arange(height * width).reshape(height, width)
    table = torch.from_numpy(related).bool()
    return [
        table[first, second]
        for first, second in (pair_views(cells, d, dilation) for d in DIRECTIONS)
    ]


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_pairwise_sums_by_definition(dilation: int) -> None:
    rng = np.random.default_rng(dilation)
    height, width, count = 6, 7, 3
    related = rng.random((count, 42, 42)) < 0.6
    related |= related.transpose(0, 2, 1)
    area = rng.random((count, height, width)) < 0.8
    box = np.zeros((count, height, width), bool)
    box[0, 1:5, 2:6] = True
    box[1] = True
    box[2, 5, 0] = True
    logits = 3 * rng.standard_normal((4, height, width))
    pairs = [
        torch.stack(maps)
        for maps in zip(*(related_pairs(r, height, width, dilation) for r in related), strict=True)
    ]
    weights = PairWeights.of(pairs, torch.from_numpy(area), torch.from_numpy(box), dilation)
    objects = [1, 0, 2, 1]
    sums = pair_costs(torch.from_numpy(logits).float(), weights, torch.tensor(objects))
    expected = [
        pairwise_by_definition(mask, related[n], area[n], box[n], dilation)
        for mask, n in zip(logits, objects, strict=True)
    ]
    np.testing.assert_allclose(sums, [e[0] for e in expected], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(weights.total[objects], [e[1] for e in expected])


def all_related(height: int, width: int) -> PairWeights:
    everything = torch.ones(1, height, width, dtype=torch.bool)
    pairs = [pair_views(everything, d, 2)[0] for d in DIRECTIONS]
    return PairWeights.of(pairs, everything, everything, 2)


def test_pairwise_of_saturated_logits() -> None:
    weights = all_related(6, 7)
    logits = torch.full((3, 6, 7), 500.0)
    logits[1] = -500
    logits[2, :, 3:5] = -500  # columns 3 and 4 against the rest
    logits.requires_grad_()
    sums = pair_costs(logits, weights, torch.zeros(3, dtype=torch.int64))
    # Agreement costs nothing. With p = 1 - e^-500 and q = e^-500, p q + (1 - p)(1 - q) = 2 e^-500:
    # a disagreeing pair costs 500 - log 2, once from either side. Columns two apart that differ:
    # (1, 3), (2, 4), (3, 5), (4, 6); each with 6 pairs in a row and 4 on either diagonal: 14 pairs.
    torch.testing.assert_close(sums, torch.tensor([0, 0, 2 * 4 * 14 * (500 - math.log(2))]))
    sums.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_pairwise_gradient_is_that_of_the_definition() -> None:
    weights = all_related(6, 7)
    logits = torch.randn(1, 6, 7, dtype=torch.float64, requires_grad=True)
    index = torch.zeros(1, dtype=torch.int64)
    (found,) = torch.autograd.grad(pair_costs(logits, weights, index).sum(), logits)
    p = logits.sigmoid()
    explicit = torch.zeros((), dtype=torch.float64)
    for direction in DIRECTIONS:
        first, second = pair_views(p, direction, 2)
        explicit = explicit - 2 * (first * second + (1 - first) * (1 - second)).log().sum()
    (expected,) = torch.autograd.grad(explicit, logits)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
