"""Cells lie at stride * index + stride // 2, and upsampling keeps them there."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boxseg.aligned_upsample import aligned_upsample
from boxseg.condinst.locations import cell_locations

CPU = torch.device("cpu")


def test_cells_row_by_row() -> None:
    # stride 8: 4, 12, 20 along x and 4, 12 along y.
    expected = [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    locations = cell_locations(2, 3, 8, CPU)
    assert locations.dtype == torch.float32
    assert locations.tolist() == expected


def test_odd_strides_round_the_offset_down() -> None:
    assert cell_locations(1, 3, 1, CPU).tolist() == [[0, 0], [1, 0], [2, 0]]
    assert cell_locations(1, 2, 5, CPU).tolist() == [[2, 2], [7, 2]]


@pytest.mark.parametrize(
    ("factor", "row", "expected"),
    [
        # Cells 0 and 1 go to 1 and 3; halfway between them lies their mean.
        (2, [0.0, 4.0], [0, 0, 2, 4]),
        # Cells 0, 1, 2 go to 2, 6, 10, with quarter steps between; the ends repeat.
        (4, [0.0, 4.0, 2.0], [0, 0, 0, 1, 2, 3, 4, 3.5, 3, 2.5, 2, 2]),
        # An odd factor: cells go to 1 and 4.
        (3, [0.0, 3.0], [0, 0, 1, 2, 3, 3]),
    ],
)
def test_one_dimension_by_hand(factor: int, row: list[float], expected: list[float]) -> None:
    along_x = torch.tensor(row).reshape(1, 1, 1, -1)
    fine = aligned_upsample(along_x, factor)
    assert fine.shape == (1, 1, factor, factor * len(row))
    for line in fine[0, 0]:
        torch.testing.assert_close(line, torch.tensor(expected, dtype=torch.float32))
    along_y = aligned_upsample(along_x.transpose(2, 3), factor)
    torch.testing.assert_close(along_y, fine.transpose(2, 3))


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 2)])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_gradient_of_upsampling(factor: int, size: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: aligned_upsample(x, factor), maps)


def test_factor_one_changes_nothing() -> None:
    maps = torch.randn(2, 3, 4, 5)
    assert torch.equal(aligned_upsample(maps, 1), maps)


@given(
    factor=st.sampled_from([2, 3, 4, 8]),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_cells_keep_their_values_and_places(
    factor: int, height: int, width: int, seed: int
) -> None:
    maps = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    fine = aligned_upsample(maps, factor)
    assert fine.shape == (2, 3, factor * height, factor * width)
    middle = factor // 2
    torch.testing.assert_close(fine[..., middle::factor, middle::factor], maps)
    assert fine.min() >= maps.min() - 1e-5
    assert fine.max() <= maps.max() + 1e-5


@pytest.mark.parametrize("factor", [2, 4])
def test_constant_maps_stay_constant(factor: int) -> None:
    fine = aligned_upsample(torch.full((1, 2, 3, 5), 0.7), factor)
    torch.testing.assert_close(fine, torch.full((1, 2, 3 * factor, 5 * factor), 0.7))


def test_a_ramp_of_places_upsamples_to_pixel_indices() -> None:
    """A map of its cells' x, enlarged to pixels, holds every pixel's own x, borders apart."""
    x = cell_locations(1, 6, 8, CPU)[:, 0].reshape(1, 1, 1, 6)
    fine = aligned_upsample(x, 8)[0, 0, 0]
    torch.testing.assert_close(fine[4:45], torch.arange(4.0, 45.0))  # from cell 0 to cell 5


def test_no_objects() -> None:
    assert aligned_upsample(torch.zeros(0, 1, 4, 5), 2).shape == (0, 1, 8, 10)
