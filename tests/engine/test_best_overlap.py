"""Average best overlap of predicted with true masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as run_length

from boxseg.engine.best_overlap import average_best_overlap

SIZE = 10


def rectangle(x0: int, y0: int, x1: int, y1: int) -> dict[str, Any]:
    """A mask of pixels x0 to x1 - 1 and y0 to y1 - 1, as a run-length encoding."""
    mask = np.zeros((SIZE, SIZE), dtype=np.uint8, order="F")
    mask[y0:y1, x0:x1] = 1
    encoded = run_length.encode(mask)
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def overlap(
    tmp_path: Path, objects: list[dict[str, Any]], found: list[tuple[int, int, dict[str, Any]]]
) -> float | None:
    """The score of masks found, each (image, category, mask)."""
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], **one}
        for number, one in enumerate(objects, start=1)
    ]
    truth = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": SIZE, "height": SIZE} for i in (1, 2)
        ],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": annotations,
    }
    predictions = [
        {"image_id": i, "category_id": c, "segmentation": m, "bbox": [0, 0, 1, 1], "score": 0.1}
        for i, c, m in found
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps(predictions))
    return average_best_overlap(tmp_path / "truth.json", tmp_path / "found.json")


def test_the_best_of_the_masks_of_its_category_and_image_counts(tmp_path: Path) -> None:
    objects = [{"segmentation": rectangle(0, 0, 4, 4)}, {"segmentation": rectangle(5, 5, 9, 9)}]
    found = [
        (1, 1, rectangle(0, 0, 4, 2)),  # half of the first
        (1, 1, rectangle(0, 0, 4, 3)),  # three quarters of it
        (1, 2, rectangle(5, 5, 9, 9)),  # all of the second, but of another category
        (2, 1, rectangle(5, 5, 9, 9)),  # or in another image
        (1, 1, rectangle(5, 5, 9, 10)),  # 16 / 20
    ]
    assert overlap(tmp_path, objects, found) == pytest.approx(100 * (0.75 + 0.8) / 2)


def test_a_mask_may_be_the_best_of_several_objects(tmp_path: Path) -> None:
    objects = [{"segmentation": rectangle(0, 0, 4, 4)}, {"segmentation": rectangle(4, 0, 8, 4)}]
    assert overlap(tmp_path, objects, [(1, 1, rectangle(0, 0, 8, 4))]) == pytest.approx(50)


def test_objects_without_a_mask_found_count_as_nothing(tmp_path: Path) -> None:
    objects = [
        {"segmentation": rectangle(0, 0, 4, 4)},
        {"segmentation": rectangle(0, 0, 4, 4), "image_id": 2},
    ]
    assert overlap(tmp_path, objects, [(1, 1, rectangle(0, 0, 4, 4))]) == pytest.approx(50)
    assert overlap(tmp_path, objects, []) == 0


def test_crowds_are_no_objects(tmp_path: Path) -> None:
    objects = [
        {"segmentation": rectangle(0, 0, 4, 4)},
        {"segmentation": rectangle(0, 0, 9, 9), "iscrowd": 1},
    ]
    assert overlap(tmp_path, objects, [(1, 1, rectangle(0, 0, 4, 4))]) == pytest.approx(100)


def test_polygons(tmp_path: Path) -> None:
    objects = [{"segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]]}]
    assert overlap(tmp_path, objects, [(1, 1, rectangle(2, 2, 6, 6))]) == pytest.approx(100)


@pytest.mark.parametrize("objects", [[], [{}], [{"segmentation": rectangle(0, 0, 1, 1)}, {}]])
def test_without_true_masks_there_is_no_score(
    tmp_path: Path, objects: list[dict[str, Any]]
) -> None:
    assert overlap(tmp_path, objects, [(1, 1, rectangle(0, 0, 4, 4))]) is None
