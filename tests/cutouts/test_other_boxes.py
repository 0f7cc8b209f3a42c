"""Where other boxes are in an object's cut-out."""

from __future__ import annotations

import pytest
import torch

from boxseg.cutouts.cutouts import GRID, cell_pixels
from boxseg.cutouts.other_boxes import MOST, other_boxes


def boxes(*corners: list[float]) -> torch.Tensor:
    return torch.tensor(corners, dtype=torch.float32)


def at(place: float) -> int:
    """The cell at a place, in sides of the box from its beginning."""
    return int((place + 0.3) / 1.6 * GRID)


def test_a_smaller_box_and_a_larger_one_are_told_apart() -> None:
    large, small = [0.0, 0.0, 100.0, 100.0], [60.0, 60.0, 100.0, 80.0]
    of_large, of_small = other_boxes(boxes(large, small))
    assert (of_large[1] == 0).all() and (of_small[0] == 0).all()
    # The small box's middle is at (80, 70), rows first here.
    assert of_large[0, at(0.7), at(0.8)] == pytest.approx(3, abs=0.05)
    assert of_large[0, at(0.5), at(0.5)] == 0
    # The large box's middle is 0.75 sides left of the small one's beginning, outside its cut-out;
    # in the small box's middle it is 60% and 40% of half a side away.
    assert of_small[1, at(0.5), at(0.5)] == pytest.approx(3 - 0.6**2 - 0.4**2, abs=0.05)


def test_values_are_those_of_the_nearest_box_in_pixels() -> None:
    one, other, third = [10.0, 20.0, 50.0, 90.0], [30.0, 10.0, 95.0, 70.0], [28.0, 8.0, 97.0, 72.0]
    all_three = boxes(one, other, third)
    found = other_boxes(all_three)[0, 1]
    columns, rows = cell_pixels(all_three)[0].T
    expected = torch.zeros(GRID, GRID)
    for x0, y0, x1, y1 in (other, third):
        for i, y in enumerate(rows.tolist()):
            for j, x in enumerate(columns.tolist()):
                if x0 < x < x1 and y0 < y < y1:
                    dx, dy = 2 * (x - x0) / (x1 - x0) - 1, 2 * (y - y0) / (y1 - y0) - 1
                    expected[i, j] = max(float(expected[i, j]), 3 - dx**2 - dy**2)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_boxes_apart_and_one_alone_see_nothing() -> None:
    apart = other_boxes(boxes([0.0, 0.0, 10.0, 10.0], [10.0, 0.0, 20.0, 10.0]))
    assert apart.shape == (2, 2, GRID, GRID) and (apart == 0).all()
    assert (other_boxes(boxes([0.0, 0.0, 10.0, 10.0])) == 0).all()
    assert other_boxes(torch.zeros(0, 4)).shape == (0, 2, GRID, GRID)


def test_two_equal_boxes_are_a_larger_one_to_each_other() -> None:
    found = other_boxes(boxes([0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 10.0]))
    assert (found[:, 0] == 0).all() and (found[:, 1] > 2.9).any()


def test_in_a_crowd_those_that_share_most_are_seen() -> None:
    first = [0.0, 0.0, 100.0, 100.0]
    wide = [[float(k), 0.0, 60.0 + k, 50.0] for k in range(MOST)]
    tiny = [90.0, 90.0, 95.0, 95.0]
    found = other_boxes(boxes(first, tiny, *wide))[0]
    assert found[0, at(0.25), at(0.4)] > 2
    assert found[0, at(0.925), at(0.925)] == 0
