"""Large objects whose masks are hollow, or as full as their boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as run_length

from boxseg.engine.mask_fill import filled, mask_fill

SIZE = 200


def encoded(mask: np.ndarray) -> dict[str, Any]:
    """A mask as a run-length encoding."""
    found = run_length.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": found["size"], "counts": found["counts"].decode()}


def square(side: int, hole: int = 0, at: int = 10) -> dict[str, Any]:
    """A square with a square hole in its middle."""
    mask = np.zeros((SIZE, SIZE))
    mask[at : at + side, at : at + side] = 1
    middle = at + (side - hole) // 2
    mask[middle : middle + hole, middle : middle + hole] = 0
    return encoded(mask)


def shares(
    tmp_path: Path,
    found: list[tuple[list[float], dict[str, Any]]],
    boxes: list[list[float]],
    pixel_factor: float = 1.0,
    **more: Any,
) -> dict[str, float | None]:
    """The scores of detections, each (box, mask), of objects with some boxes."""
    truth = {
        "images": [{"id": 1, "file_name": "1.png", "width": SIZE, "height": SIZE}],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": box, "area": box[2] * box[3]}
            | {"iscrowd": 0, "segmentation": square(100)}
            | more
            for n, box in enumerate(boxes, start=1)
        ],
    }
    predictions = [
        {"image_id": 1, "category_id": 2, "segmentation": mask, "bbox": box, "score": 0.1}
        for box, mask in found
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps(predictions))
    return mask_fill(tmp_path / "truth.json", tmp_path / "found.json", pixel_factor)


BOX = [10.0, 10.0, 100.0, 100.0]


@pytest.mark.parametrize(
    ("hole", "hollow", "full"),
    [(0, 0, 100), (30, 0, 100), (50, 0, 0), (80, 0, 0), (90, 100, 0)],
)
def test_an_outline_is_hollow_and_a_box_is_full(
    tmp_path: Path, hole: int, hollow: float, full: float
) -> None:
    found = shares(tmp_path, [(BOX, square(100, hole))], [BOX])
    assert found == {"predicted/hollow": hollow, "predicted/full": full}


def test_the_detection_with_the_best_box_counts(tmp_path: Path) -> None:
    near = [12.0, 12.0, 100.0, 100.0]
    found = [(near, square(100)), (BOX, square(100, 90)), ([150.0, 150.0, 40.0, 40.0], square(9))]
    scores = shares(tmp_path, found, [BOX, BOX, BOX, [70.0, 70.0, 120.0, 120.0]])
    assert scores == {"predicted/hollow": 100, "predicted/full": 0}


def test_what_is_left_out(tmp_path: Path) -> None:
    nothing = {"predicted/hollow": None, "predicted/full": None}
    outline = [(BOX, square(100, 90))]
    assert shares(tmp_path, [], [BOX]) == nothing
    assert shares(tmp_path, outline, [[10.0, 10.0, 90.0, 90.0]]) == nothing  # not large
    small = shares(tmp_path, outline, [[10.0, 10.0, 90.0, 90.0]], pixel_factor=0.9)
    assert small["predicted/hollow"] == 100
    assert shares(tmp_path, outline, [[90.0, 90.0, 100.0, 100.0]]) == nothing  # not detected
    assert shares(tmp_path, outline, [BOX], iscrowd=1) == nothing


def test_a_mask_counts_inside_its_box_and_a_box_inside_the_image() -> None:
    whole = encoded(np.ones((SIZE, SIZE)))
    assert filled({"bbox": [50.0, 50.0, 20.0, 20.0], "segmentation": whole}) == 1
    assert filled({"bbox": [-50.0, 150.0, 100.0, 100.0], "segmentation": whole}) == 1
    assert filled({"bbox": [190.0, 190.0, 0.2, 0.2], "segmentation": whole}) == 1
    assert filled({"bbox": [250.0, 250.0, 9.0, 9.0], "segmentation": whole}) == 0
    left = np.zeros((SIZE, SIZE))
    left[:, :60] = 1
    assert filled({"bbox": [50.0, 0.0, 20.0, 20.0], "segmentation": encoded(left)}) == 0.5
