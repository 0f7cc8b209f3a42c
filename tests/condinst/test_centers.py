"""The points that centre sampling is done around."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2.structures import BitMasks
from hypothesis import given
from hypothesis import strategies as st

from boxseg.condinst.centers import box_centers, box_pixel_centers, mask_centroids
from boxseg.errors import InputError
from tests.condinst.tiny import objects


def test_box_centers() -> None:
    assert box_centers(objects([[2, 4, 10, 5]], [0])).tolist() == [[6, 4.5]]


def test_box_pixel_centers_by_hand() -> None:
    # Columns int(1.5) = 1 to int(5.2) - 1 = 4, mean 2.5; rows 2 to int(7.9) - 1 = 6, mean 4.
    assert box_pixel_centers(objects([[1.5, 2.5, 4.2, 6.9]], [0])).tolist() == [[2.5, 4]]
    # Whole numbers: columns 4 to 10 although the box ends at 10.
    assert box_pixel_centers(objects([[4, 4, 10, 10]], [0])).tolist() == [[7, 7]]


@given(
    x=st.tuples(st.floats(0, 30, width=32), st.floats(0, 30, width=32)),
    y=st.tuples(st.floats(0, 30, width=32), st.floats(0, 30, width=32)),
)
def test_box_pixel_centers_are_the_means_of_a_filled_mask(
    x: tuple[float, float], y: tuple[float, float]
) -> None:
    (x0, x1), (y0, y1) = sorted(x), sorted(y)
    mask = np.zeros((40, 40), bool)
    mask[int(y0) : int(np.float32(y1) + 1), int(x0) : int(np.float32(x1) + 1)] = True
    rows, columns = mask.nonzero()
    found = box_pixel_centers(objects([[x0, y0, x1, y1]], [0]))
    np.testing.assert_allclose(found, [[columns.mean(), rows.mean()]], rtol=1e-5)


def test_mask_centroids_by_hand() -> None:
    # An L of the pixels (x, y) = (1, 1), (1, 2), (1, 3), (5, 3): means 2 and 9 / 4. The box
    # lies elsewhere and has no say.
    masks = torch.zeros(2, 8, 9, dtype=torch.bool)
    masks[0, 1:4, 1] = True
    masks[0, 3, 5] = True
    masks[1, 2:5, 3:9] = True  # x 3 to 8, y 2 to 4
    both = objects([[0, 0, 1, 1], [0, 0, 1, 1]], [0, 0])
    both.gt_masks = BitMasks(masks)
    assert mask_centroids(both).tolist() == [[2, 2.25], [5.5, 3]]


def test_an_empty_mask_has_a_finite_centroid() -> None:
    one = objects([[0, 0, 1, 1]], [0])
    one.gt_masks = BitMasks(torch.zeros(1, 4, 4, dtype=torch.bool))
    assert mask_centroids(one).isfinite().all()


def test_no_objects() -> None:
    none = objects([], [])
    none.gt_masks = BitMasks(torch.zeros(0, 4, 4, dtype=torch.bool))
    for centers in (box_centers, box_pixel_centers, mask_centroids):
        assert centers(none).shape == (0, 2)


def test_centroids_without_masks() -> None:
    with pytest.raises(InputError, match="load_masks=true"):
        mask_centroids(objects([[0, 0, 1, 1]], [0]))
