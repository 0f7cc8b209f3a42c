"""Between VOC's corners and COCO's boxes."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from boxseg.data.voc.boxes import coco_box, voc_corners


@pytest.mark.parametrize(
    ("corners", "box"),
    [
        # The top left pixel alone, a whole image of 500 x 375, and a box of 3 x 2 pixels.
        ((1, 1, 1, 1), [0, 0, 1, 1]),
        ((1, 1, 500, 375), [0, 0, 500, 375]),
        ((11, 21, 13, 22), [10, 20, 3, 2]),
    ],
)
def test_boxes_by_hand(corners: tuple[float, float, float, float], box: list[float]) -> None:
    assert coco_box(corners) == box
    assert voc_corners(box) == corners


starts = st.integers(1, 5000) | st.floats(1, 5000, width=32)
lengths = st.integers(0, 5000) | st.floats(0, 5000, width=32)


@given(starts, starts, lengths, lengths)
def test_the_round_trip_is_exact_to_the_last_bit(
    xmin: float, ymin: float, wide: float, high: float
) -> None:
    corners = (xmin, ymin, xmin + wide, ymin + high)
    assert voc_corners(coco_box(corners)) == corners


@given(st.floats(1, 5000), st.floats(1, 5000), st.floats(0, 5000), st.floats(0, 5000))
@example(1.0, 1.2, 0.0, 1.2)  # no height added to 0.2 gives 2.4: the sums around it are ties
def test_the_round_trip_of_any_numbers_is_as_exact_as_can_be(
    xmin: float, ymin: float, wide: float, high: float
) -> None:
    corners = (xmin, ymin, xmin + wide, ymin + high)
    for again, once in zip(voc_corners(coco_box(corners)), corners, strict=True):
        assert abs(again - once) <= math.ulp(once)


def test_no_height_is_exact_in_the_example_above() -> None:
    start, end = 1.2 - 1, 1.2 + 1.2
    around = [2.2 + steps * math.ulp(2.2) for steps in range(-4, 5)]
    assert end not in {start + height for height in around}
    assert min(start + height for height in around) < end < max(start + h for h in around)
