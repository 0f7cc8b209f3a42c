"""Boxes of single annotations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxseg.data.annotation_rules import ROUNDING, clip_box

coordinates = st.floats(allow_nan=False, allow_infinity=False)
near = st.floats(-300, 300)
sizes = st.integers(1, 200)
boxes = st.one_of(
    st.tuples(near, near, near, near), st.tuples(coordinates, coordinates, coordinates, coordinates)
)


@pytest.mark.parametrize(
    ("bbox", "box", "fault"),
    [
        # In a 40 x 30 image: [x, y, w, h] -> [x, y, x + w, y + h].
        ([5, 6, 10, 20], (5.0, 6.0, 15.0, 26.0), None),
        ([0, 0, 40, 30], (0.0, 0.0, 40.0, 30.0), None),
        ([5, 6, 0, 20], None, "zero area"),
        ([5, 6, 10, -1], None, "zero area"),
        # -1 * -1 = 1 is positive, but neither side is.
        ([5, 6, -1, -1], None, "zero area"),
        ([40, 6, 10, 20], None, "outside"),
        ([5, -20, 10, 20], None, "outside"),
        ([35, 20, 10, 20], (35.0, 20.0, 40.0, 30.0), "partly outside"),
        ([-3, 6, 10, 20], (0.0, 6.0, 7.0, 26.0), "partly outside"),
        # 30 + 10.01 sticks out by 0.01, a rounding of COCO's: clipped, but no fault.
        ([30, 6, 10.01, 20], (30.0, 6.0, 40.0, 26.0), None),
    ],
)
def test_boxes_worked_by_hand(bbox: list[float], box: Any, fault: str | None) -> None:
    assert clip_box(bbox, width=40, height=30) == (box, fault)


@given(bbox=boxes, width=sizes, height=sizes)
def test_a_clipped_box_has_area_within_its_image(
    bbox: tuple[float, float, float, float], width: int, height: int
) -> None:
    box, fault = clip_box(bbox, width, height)
    if box is None:
        assert fault in ("zero area", "outside")
        return
    x0, y0, x1, y1 = box
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    assert fault in (None, "partly outside")


@given(bbox=st.tuples(near, near, near, near), width=sizes, height=sizes)
def test_a_clipped_box_is_the_intersection_with_the_image(
    bbox: tuple[float, float, float, float], width: int, height: int
) -> None:
    x, y, w, h = bbox
    box, _ = clip_box(bbox, width, height)
    overlap_x = min(x + w, width) - max(x, 0)
    overlap_y = min(y + h, height) - max(y, 0)
    # Without sides of positive length there is nothing to intersect.
    positive = x + w > x and y + h > y and overlap_x > 0 and overlap_y > 0
    assert (box is not None) == positive
    if box is not None:
        area = (box[2] - box[0]) * (box[3] - box[1])
        assert math.isclose(area, overlap_x * overlap_y, rel_tol=1e-9, abs_tol=1e-12)


@given(bbox=boxes, width=sizes, height=sizes)
def test_clipping_twice_changes_nothing(
    bbox: tuple[float, float, float, float], width: int, height: int
) -> None:
    box, _ = clip_box(bbox, width, height)
    if box is None:
        return
    x0, y0, x1, y1 = box
    again, fault = clip_box((x0, y0, x1 - x0, y1 - y0), width, height)
    # x0 + (x1 - x0) may round; a side that rounding empties is the only way to lose the box.
    if again is not None:
        assert fault is None
        assert np.allclose(again, box, rtol=1e-12, atol=1e-12)
    else:
        assert x0 + (x1 - x0) <= x0 or y0 + (y1 - y0) <= y0


@given(shift=st.floats(-50, 50), width=sizes, height=sizes)
def test_partly_outside_means_more_than_rounding(shift: float, width: int, height: int) -> None:
    """The whole image as a box, shifted: what sticks out is |shift|."""
    _, fault = clip_box((shift, 0, width, height), width, height)
    if abs(shift) >= width:
        assert fault == "outside"
    elif abs(shift) > ROUNDING + 1e-9:
        assert fault == "partly outside"
    elif abs(shift) < ROUNDING - 1e-9:
        assert fault is None
