"""Boundary regions and boundary AP, on masks small enough to count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as run_length

from boxseg.engine.boundary import boundary_region
from boxseg.engine.evaluation import score


def encoded(mask: np.ndarray) -> dict[str, Any]:
    found: dict[str, Any] = run_length.encode(np.asfortranarray(mask.astype(np.uint8)))
    return found


def rectangle(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[rows, columns] = 1
    return mask


def test_a_frame_around_a_square() -> None:
    # 60 x 80 has a diagonal of 100, so 0.02 of it are 2 pixels: of 20 x 20, 16 x 16 are inner.
    square = rectangle(60, 80, slice(10, 30), slice(20, 40))
    region = run_length.decode(boundary_region(encoded(square)))
    inner = rectangle(60, 80, slice(12, 28), slice(22, 38))
    np.testing.assert_array_equal(region, square - inner)


def test_the_border_of_the_image_is_an_outline_too() -> None:
    corner = rectangle(60, 80, slice(0, 10), slice(70, 80))
    region = run_length.decode(boundary_region(encoded(corner)))
    assert region.sum() == 10 * 10 - 6 * 6


def test_one_pixel_at_least() -> None:
    # 6 x 8 has a diagonal of 10; 0.02 of it are no whole pixel.
    square = rectangle(6, 8, slice(1, 5), slice(2, 6))
    assert run_length.decode(boundary_region(encoded(square))).sum() == 16 - 4


def test_no_mask_no_region() -> None:
    assert run_length.decode(boundary_region(encoded(np.zeros((6, 8))))).sum() == 0


@given(arrays(np.uint8, st.tuples(*[st.integers(3, 30)] * 2), elements=st.integers(0, 1)))
def test_near_pixels_by_definition(mask: np.ndarray) -> None:
    distance = max(1, round(0.02 * float(np.hypot(*mask.shape))))
    padded = np.pad(mask, distance)
    span = 2 * distance + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (span, span))
    expected = mask & ~windows.all(axis=(2, 3))
    np.testing.assert_array_equal(run_length.decode(boundary_region(encoded(mask))), expected)


def boundary_ap(folder: Path, truth: np.ndarray, found: np.ndarray) -> dict[str, float | None]:
    """Scores of one predicted mask against the one object of an image."""
    height, width = truth.shape
    mask = {name: run_length.decode(encoded(m)) for name, m in (("t", truth), ("f", found))}
    encodings = {name: encoded(m) for name, m in mask.items()}
    for encoding in encodings.values():
        encoding["counts"] = encoding["counts"].decode("ascii")
    boxes = {name: run_length.toBbox(encoded(m)).tolist() for name, m in mask.items()}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": boxes["t"]}
    content = {
        "images": [{"id": 1, "file_name": "1.png", "width": width, "height": height}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [annotation | {"segmentation": encodings["t"], "area": int(truth.sum())}],
    }
    detection = {"image_id": 1, "category_id": 1, "score": 0.9, "bbox": boxes["f"]}
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "found.json").write_text(json.dumps([detection | {"segmentation": encodings["f"]}]))
    kinds = ("segm", "bbox", "boundary")
    return score(folder / "truth.json", folder / "found.json", 1.0, kinds).metrics


def test_boundary_ap_by_hand(tmp_path: Path) -> None:
    # Squares of 40 and of 36 around one centre; the regions are 2 wide. Mask IoU 1296 / 1600 =
    # 0.81: found at 0.5, ..., 0.8, 7 thresholds of 10. The regions are the frames between 40 and 36
    # and between 36 and 32, which share nothing: boundary IoU 0, found at no threshold.
    truth = rectangle(60, 80, slice(10, 50), slice(20, 60))
    found = rectangle(60, 80, slice(12, 48), slice(22, 58))
    metrics = boundary_ap(tmp_path, truth, found)
    assert metrics["segm/AP"] == pytest.approx(70)
    assert metrics["boundary/AP"] == 0
    assert boundary_ap(tmp_path, truth, truth)["boundary/AP"] == pytest.approx(100)


def test_the_smaller_of_both_overlaps(tmp_path: Path) -> None:
    # One pixel less on every side: 38^2 / 40^2 = 0.9025, 9 thresholds. Of the frames of
    # 40^2 - 36^2 = 304 and 38^2 - 34^2 = 288 pixels, 38^2 - 36^2 = 148 are shared, and
    # 40^2 - 34^2 = 444 are in one or the other: 1 / 3.
    truth = rectangle(60, 80, slice(10, 50), slice(20, 60))
    found = rectangle(60, 80, slice(11, 49), slice(21, 59))
    metrics = boundary_ap(tmp_path, truth, found)
    assert (metrics["segm/AP"], metrics["boundary/AP50"]) == (pytest.approx(90), 0)
    # Three rows less at one side: 37 / 40 = 0.925, 9 thresholds. The found frame has
    # 37 * 40 - 33 * 36 = 292 pixels, of which all but the 2 * 36 of its upper row of frame are the
    # true one's too: 220 of 304 + 292 - 220 = 376, IoU 0.585: found at 0.5 and 0.55.
    found = rectangle(60, 80, slice(13, 50), slice(20, 60))
    metrics = boundary_ap(tmp_path, truth, found)
    assert (metrics["segm/AP"], metrics["boundary/AP"]) == (pytest.approx(90), pytest.approx(20))
