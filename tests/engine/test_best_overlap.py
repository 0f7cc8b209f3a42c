"""Average best overlap of predicted with true masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as run_length

from boxseg.engine.best_overlap import best_overlap_scores

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
    """The score of all masks found, each (image, category, mask)."""
    return overlaps(tmp_path, objects, found)["predicted/IoU"]


def overlaps(
    tmp_path: Path,
    objects: list[dict[str, Any]],
    found: list[tuple[int, int, dict[str, Any]]],
    scores: list[float] | None = None,
) -> dict[str, float | None]:
    """Both scores; the detections' own are 0.1 by default."""
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
        {"image_id": i, "category_id": c, "segmentation": m, "bbox": [0, 0, 1, 1], "score": s}
        for (i, c, m), s in zip(found, scores or [0.1] * len(found), strict=True)
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps(predictions))
    return best_overlap_scores(tmp_path / "truth.json", tmp_path / "found.json")


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
    found = overlaps(tmp_path, objects, [(1, 1, rectangle(0, 0, 4, 4))])
    assert found == {"predicted/IoU": None, "predicted/IoU-top": None}


def test_ten_of_an_image_count_and_no_more(tmp_path: Path) -> None:
    objects = [{"segmentation": rectangle(0, 0, 4, 4)}]
    poor = (1, 1, rectangle(0, 0, 4, 2))  # half of it
    other = (1, 2, rectangle(0, 0, 4, 4))  # of another category, yet one of the ten
    good = (1, 1, rectangle(0, 0, 4, 4))
    found = [good, poor, *[other] * 9]
    behind = overlaps(tmp_path, objects, found, [0.1, 0.9, *[0.5] * 9])
    assert behind == {"predicted/IoU": pytest.approx(100), "predicted/IoU-top": pytest.approx(50)}
    before = overlaps(tmp_path, objects, found, [0.6, 0.9, *[0.5] * 9])
    assert before["predicted/IoU-top"] == pytest.approx(100)
    # Those of another image do not count for this one's ten.
    elsewhere = [good, *[(2, 1, rectangle(0, 0, 4, 4))] * 10]
    found = overlaps(tmp_path, objects, elsewhere, [0.1, *[0.5] * 10])
    assert found["predicted/IoU-top"] == pytest.approx(100)


def test_where_an_image_has_more_objects_as_many_count(tmp_path: Path) -> None:
    objects = [{"segmentation": rectangle(n % 4 * 2, n // 4 * 2, n % 4 * 2 + 2, n // 4 * 2 + 2)}
               for n in range(12)]  # fmt: skip
    found = [(1, 1, one["segmentation"]) for one in objects]
    first = overlaps(tmp_path, objects, [*found, *found[:1]])
    assert first == {"predicted/IoU": pytest.approx(100), "predicted/IoU-top": pytest.approx(100)}
    # Another one in front pushes the last one out.
    pushed = overlaps(tmp_path, objects, [(1, 2, rectangle(0, 0, 9, 9)), *found])
    assert pushed["predicted/IoU-top"] == pytest.approx(100 * 11 / 12)
