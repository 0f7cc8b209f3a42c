from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as run_length

from boxseg.export.polygons import joined, outlines


def drawn(parts: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """What pycocotools makes of outlines."""
    encoded = run_length.frPyObjects([part.ravel().tolist() for part in parts], height, width)
    decoded: np.ndarray = run_length.decode(run_length.merge(encoded)).astype(bool)
    return decoded


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def discs(height: int, width: int, *places: tuple[int, int, int]) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    found = np.zeros((height, width), dtype=bool)
    for row, column, radius in places:
        found |= (y - row) ** 2 + (x - column) ** 2 < radius**2
    return found


def test_a_rectangle_by_hand() -> None:
    mask = np.zeros((12, 14), dtype=bool)
    mask[2:6, 3:9] = True
    (outline,) = outlines(mask)
    assert sorted(map(tuple, outline)) == [
        *((3, 2.5), (3, 5.5), (3.5, 2), (3.5, 6)),
        *((8.5, 2), (8.5, 6), (9, 2.5), (9, 5.5)),
    ]


def test_holes_are_not_told_and_parts_come_the_largest_first() -> None:
    mask = discs(60, 80, (20, 20, 15), (40, 60, 10))
    mask[18:23, 18:23] = False
    large, small = outlines(mask)
    assert large[:, 0].max() < 40 < small[:, 0].min()
    assert drawn([large], 60, 80)[20, 20]


@pytest.mark.parametrize("radius", [2, 5, 30])
def test_drawn_again_it_is_the_mask(radius: int) -> None:
    mask = discs(80, 90, (40, 45, radius), (4, 4, 9))  # one of them at the image's edge
    assert overlap(drawn(outlines(mask), 80, 90), mask) > 0.93


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_outlines_stay_within_the_image(mask: np.ndarray) -> None:
    for outline in outlines(mask):
        assert outline.shape[1] == 2 and len(outline) >= 3
        assert (outline >= 0).all() and (outline <= mask.shape[::-1]).all()


def test_nothing_has_no_outline() -> None:
    assert outlines(np.zeros((5, 6), dtype=bool)) == []


def test_joined_parts_cover_what_they_covered() -> None:
    mask = discs(60, 80, (20, 20, 15), (40, 60, 10), (10, 70, 6))
    parts = outlines(mask)
    assert len(parts) == 3
    assert overlap(drawn([joined(parts)], 60, 80), drawn(parts, 60, 80)) > 0.97
    assert np.array_equal(joined(parts[:1]), parts[0])
