"""Masks of single annotations: valid or not, how large, and where."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as run_length

from boxseg.data.segmentations import compressed, extent, object_area, segmentation_fault
from boxseg.engine.evaluation import ground_truth

TRIANGLE = [0, 0, 4, 0, 0, 3]


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ([TRIANGLE], None),
        ([TRIANGLE, [1.5, 1, 2, 1, 2, 2, 1, 2]], None),
        ([], "empty"),
        ([TRIANGLE, [0, 0, 4, 0]], "polygon 1 of 4 numbers"),
        ([[0, 0, 4, 0, 0, 3, 1]], "polygon 0 of 7 numbers"),
        ([[0, 0, 4, "0", 0, 3]], "not a finite number"),
        ([[0, 0, 4, True, 0, 3]], "not a finite number"),
        ([[0, 0, 4, math.nan, 0, 3]], "not a finite number"),
        ([[0, 0, 4, 10**400, 0, 3]], "not a finite number"),
        (TRIANGLE, "polygon 0 that is not a list"),
        ("x", "neither"),
        # A 5 x 4 image has 20 pixels: 6 + 2 + 12 = 20.
        ({"size": [4, 5], "counts": [6, 2, 12]}, None),
        ({"size": [4, 5], "counts": [6, 2, 11]}, "add up to 5 x 4 pixels"),
        ({"size": [5, 4], "counts": [6, 2, 12]}, "size [5, 4] instead of [4, 5]"),
        ({"counts": [6, 2, 12]}, "size None"),
        ({"size": [4, 5]}, "cannot be decoded"),
        ({"size": [4, 5], "counts": [6, -2, 16]}, "cannot be decoded"),
        ({"size": [4, 5], "counts": [6, 2.0, 12]}, "cannot be decoded"),
        ({"size": [4, 5], "counts": "\x7f"}, "cannot be decoded"),
        ({"size": [4, 5], "counts": ""}, "add up"),
        # "o" announces another character, and none follows.
        ({"size": [4, 5], "counts": "o"}, "cannot be decoded"),
        # A count of more digits than 32 bits need.
        ({"size": [4, 5], "counts": "o" * 10_000 + "1"}, "cannot be decoded"),
        ({"size": [4, 5], "counts": "\ud800"}, "cannot be decoded"),
        # 1.0 and true equal 1 in Python, but are no sizes that pycocotools takes.
        ({"size": [4.0, 5], "counts": [20]}, "size [4.0, 5] instead of [4, 5]"),
        # One image's width beyond the left edge is the limit: -5 is, -5.1 is not.
        ([[-5, 0, 4, 0, 0, 3]], None),
        ([[-5.1, 0, 4, 0, 0, 3]], "polygon 0 with a point farther outside the image"),
        ([[0, 0, 4, 0, 0, 1e300]], "farther outside"),
    ],
)
def test_segmentations_worked_by_hand(segmentation: object, said: str | None) -> None:
    fault = segmentation_fault(segmentation, width=5, height=4)
    assert fault is None if said is None else fault is not None and said in fault


@given(
    st.integers(1, 12).flatmap(
        lambda height: st.lists(
            st.lists(st.integers(0, 1), min_size=height, max_size=height), min_size=1, max_size=60
        )
    )
)
def test_every_encoding_of_pycocotools_is_valid_for_its_own_size_only(
    columns: list[list[int]],
) -> None:
    pixels = np.asfortranarray(np.array(columns, dtype=np.uint8).T)
    height, width = pixels.shape
    encoded = run_length.encode(pixels)
    segmentation = {"size": [height, width], "counts": encoded["counts"].decode()}
    assert segmentation_fault(segmentation, width, height) is None
    larger = {**segmentation, "size": [height, width + 1]}
    assert segmentation_fault(larger, width + 1, height) is not None
    assert segmentation_fault(segmentation, width + 1, height) is not None


@given(st.lists(st.integers(1, 2**22), min_size=4, max_size=7))
def test_long_runs_survive_compression(runs: list[int]) -> None:
    """One to five digits a count, and differences of both signs, in an image one pixel high.

    No longer runs: where every count takes six digits, pycocotools writes past its buffer.
    """
    width = sum(runs)
    encoded = run_length.frPyObjects({"size": [1, width], "counts": runs}, 1, width)
    segmentation = {"size": [1, width], "counts": encoded["counts"].decode()}
    assert segmentation_fault(segmentation, width, 1) is None


@given(
    st.integers(1, 12).flatmap(
        lambda height: st.lists(
            st.lists(st.integers(0, 1), min_size=height, max_size=height), min_size=1, max_size=20
        )
    )
)
def test_both_run_length_forms_have_the_pixels_area_and_extent(columns: list[list[int]]) -> None:
    pixels = np.asfortranarray(np.array(columns, dtype=np.uint8).T)
    height, width = pixels.shape
    flat = pixels.flatten(order="F")
    runs, value = [], 0
    position = 0
    while position < len(flat):
        end = position
        while end < len(flat) and flat[end] == value:
            end += 1
        runs.append(end - position)
        position, value = end, 1 - value
    plain = {"size": [height, width], "counts": runs}
    text = {"size": [height, width], "counts": run_length.encode(pixels)["counts"].decode()}
    ys, xs = np.nonzero(pixels)
    bounds = None
    if len(xs):
        bounds = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    for form in (plain, text):
        assert segmentation_fault(form, width, height) is None
        assert np.array_equal(run_length.decode(compressed(form, width, height)), pixels)
        assert extent(form, width, height) == bounds
        annotation = {"bbox": [0, 0, 1, 1], "segmentation": form}
        assert object_area(annotation, width, height) == pixels.sum()


@pytest.mark.parametrize(
    ("polygons", "bounds"),
    [
        ([[1, 2, 4, 2, 1, 6]], (1, 2, 4, 6)),
        ([[1, 2, 4, 2, 1, 6], [-1, 0, 2, 0, 2, 9]], (-1, 0, 4, 9)),
        # Three points on a line, and one point three times: no area.
        ([[0, 0, 1, 1, 2, 2]], None),
        ([[3, 3, 3, 3, 3, 3]], None),
        # One part without area beside one with it.
        ([[0, 0, 1, 1, 2, 2], [1, 2, 4, 2, 1, 6]], (0, 0, 4, 6)),
    ],
)
def test_extent_of_polygons_by_hand(
    polygons: list[list[float]], bounds: tuple[float, ...] | None
) -> None:
    assert extent(polygons, 20, 20) == bounds


def test_area_by_hand() -> None:
    # A 4 x 3 rectangle has 12 pixels; two of them that share 2 x 3 have 12 + 12 - 6 = 18.
    one = [0, 0, 4, 0, 4, 3, 0, 3]
    two = [2, 0, 6, 0, 6, 3, 2, 3]
    box = {"bbox": [0, 0, 10, 5]}
    assert object_area(box | {"segmentation": [one]}, 20, 20) == 12
    assert object_area(box | {"segmentation": [one, two]}, 20, 20) == 18
    # No mask, or none that can be used: the box's 10 x 5.
    assert object_area(box, 20, 20) == 50
    assert object_area(box | {"segmentation": None}, 20, 20) == 50
    assert object_area(box | {"segmentation": [[1, 2]]}, 20, 20) == 50


def test_annotations_without_area_are_sized_by_their_masks(tmp_path: Path) -> None:
    """A thin diagonal in a large box is a small object."""
    document: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "1.png", "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "thin"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "bbox": [0, 0, 100, 100],
                "segmentation": [[0, 0, 4, 0, 4, 3, 0, 3]],
            },
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 90], "area": 7},
            {"id": 3, "image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 90]},
        ],
    }
    file = tmp_path / "instances_val.json"
    file.write_text(json.dumps(document))
    truth, masked = ground_truth(file)
    assert not masked
    assert [annotation["area"] for annotation in truth.dataset["annotations"]] == [12, 7, 9000]
