"""Between VOC's corners and COCO's boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
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


starts = st.integers(1, 5000) | st.floats(1, 5000)
lengths = st.integers(0, 5000) | st.floats(0, 5000)


@given(starts, starts, lengths, lengths)
def test_the_round_trip_is_exact_to_the_last_bit(
    xmin: float, ymin: float, wide: float, high: float
) -> None:
    corners = (xmin, ymin, xmin + wide, ymin + high)
    assert voc_corners(coco_box(corners)) == corners
