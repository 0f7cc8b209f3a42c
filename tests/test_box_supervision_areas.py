"""Where boxes and the supervised area lie on the masks' grid."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from boxseg.box_masks import box_profiles
from boxseg.box_supervision import supervised_area

corner = st.floats(0, 36, width=32)


@given(
    x=st.tuples(corner, corner),
    y=st.tuples(corner, corner),
    stride=st.sampled_from([1, 2, 4]),
)
def test_box_profiles_sample_a_filled_mask(
    x: tuple[float, float], y: tuple[float, float], stride: int
) -> None:
    (x0, x1), (y0, y1) = sorted(x), sorted(y)
    pixels = np.zeros((32, 40), bool)
    pixels[int(y0) : int(np.float32(y1) + 1), int(x0) : int(np.float32(x1) + 1)] = True
    rows, columns = box_profiles(
        torch.tensor([[x0, y0, x1, y1]]), stride, 32 // stride, 40 // stride
    )
    expected = pixels[stride // 2 :: stride, stride // 2 :: stride]
    np.testing.assert_array_equal(rows[0, :, None] & columns[0, None], expected)


def test_box_profiles_by_hand() -> None:
    # Columns 3 to 9, of which stride 4 sees 6; rows 6 to 10, of which it sees 6 and 10.
    rows, columns = box_profiles(torch.tensor([[3.9, 6.2, 9.0, 10.9]]), 4, 4, 3)
    assert rows.tolist() == [[False, True, True, False]]
    assert columns.tolist() == [[False, True, False]]


def test_supervised_area_leaves_padding_and_bottom_rows_out() -> None:
    # Image 0 fills 40 x 24 of 48 x 32 pixels; it was 100 rows high, so the lowest
    # int(10 * 40 / 100) = 4 rows are out: rows 2, 6, ..., 34 of the map lie above 36.
    # Image 1 fills everything and is not resized: int(10 * 48 / 48) = 10 rows out, above 38.
    area = supervised_area([(40, 24), (48, 32)], [100, 48], 10, 4, 12, 8, torch.device("cpu"))
    expected = torch.zeros(2, 12, 8, dtype=torch.bool)
    expected[0, :9, :6] = True
    expected[1, :9, :] = True  # row 8 lies at 34, row 9 at 38
    assert torch.equal(area, expected)
    # Row 9 lies at 38: out when 10 * 40 / 200 = 2 rows are removed, in when int(1.99) = 1 is.
    for original, removed, rows in ((200, 10, 9), (201, 10, 10), (200, 0, 10)):
        area = supervised_area([(40, 24)], [original], removed, 4, 12, 8, torch.device("cpu"))
        assert area[0, :, 0].sum() == rows
