"""Scores by category, and PASCAL VOC's, reckoned by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from boxseg.engine.evaluation import Scores, score
from boxseg.engine.voc_scores import voc_scores

SIDE = 10


def objects(places: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Boxes without masks: every object in a column of its own, so none overlap.

    Args:
        places: (category, column) of each.
    """
    return [
        {
            "id": number,
            "image_id": 1,
            "category_id": category,
            "bbox": [20 * column, 0, SIDE, SIDE],
            "area": SIDE * SIDE,
            "iscrowd": 0,
        }
        for number, (category, column) in enumerate(places, start=1)
    ]


def hits(found: list[tuple[int, int, float]]) -> list[dict[str, Any]]:
    """Detections (category, column, score) that fit an object of their column exactly."""
    return [
        {
            "image_id": 1,
            "category_id": category,
            "bbox": [20 * column, 0, SIDE, SIDE],
            "score": confidence,
        }
        for category, column, confidence in found
    ]


def scores(folder: Path, places: list[tuple[int, int]], found: list[dict[str, Any]]) -> Scores:
    content = {
        "images": [{"id": 1, "file_name": "1.png", "width": 400, "height": 50}],
        "categories": [
            {"id": 9, "name": "star"},
            {"id": 2, "name": "disc"},
            {"id": 5, "name": "c"},
        ],
        "annotations": objects(places),
    }
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "found.json").write_text(json.dumps(found))
    return score(folder / "truth.json", folder / "found.json")


# Of category 2, found: right (0.9), wrong (0.8), right (0.7), of 3 objects. Precision at recall
# 1/3 is 1, at 2/3 it is 2/3, beyond it 0.
TRUE = [(2, 0), (2, 1), (2, 2), (9, 3)]
FOUND = [(2, 0, 0.9), (2, 7, 0.8), (2, 1, 0.7), (9, 3, 0.6)]


def test_voc_by_hand(tmp_path: Path) -> None:
    # Area: 1/3 * 1 + 1/3 * 2/3 = 5/9; the other category's is 1, the mean 7/9.
    found = scores(tmp_path, TRUE, hits(FOUND)).voc
    assert found == {"bbox/AP50": pytest.approx(700 / 9), "bbox/AP75": pytest.approx(700 / 9)}


def test_voc_at_its_thresholds(tmp_path: Path) -> None:
    # Two thirds of the box: found at 0.5, not at 0.75.
    loose = hits([(9, 3, 0.6)])
    loose[0]["bbox"][2] = SIDE * 2 / 3
    assert scores(tmp_path, [(9, 3)], loose).voc == {"bbox/AP50": 100.0, "bbox/AP75": 0.0}


def test_voc_where_nothing_is_found_or_to_be_found(tmp_path: Path) -> None:
    assert scores(tmp_path, TRUE, []).voc == {"bbox/AP50": 0.0, "bbox/AP75": 0.0}
    assert set(scores(tmp_path, [], []).voc.values()) == {None}


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0.01, 1)), min_size=1, max_size=12))
def test_voc_is_coco_with_ever_more_recalls(found: list[tuple[int, float]]) -> None:
    truth, predicted = COCO(), COCO()
    truth.dataset = {
        "images": [{"id": 1, "width": 400, "height": 50}],
        "categories": [{"id": 2}],
        "annotations": objects([(2, column) for column in range(5)]),
    }
    truth.createIndex()
    predicted = truth.loadRes(hits([(2, column, value) for column, value in found]))
    evaluation = COCOeval(truth, predicted, "bbox")
    # COCO reads the curve at these recalls; the error is less than one step for each object.
    evaluation.params.recThrs = np.linspace(0, 1, 4001)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert voc_scores(evaluation)["AP50"] == pytest.approx(100 * evaluation.stats[1], abs=0.2)


def test_every_category_in_order_of_its_id(tmp_path: Path) -> None:
    found = scores(tmp_path, TRUE, hits(FOUND))
    assert [(one.name, one.objects) for one in found.classes] == [
        ("disc", 3),
        ("c", 0),
        ("star", 1),
    ]
    disc, nothing, star = (one.metrics for one in found.classes)
    # At the 101 recalls 0, 0.01, ...: 34 up to 1/3 with precision 1, 33 up to 2/3 with 2/3.
    expected = 100 * (34 + 33 * 2 / 3) / 101
    assert disc == {f"bbox/{name}": pytest.approx(expected) for name in ("AP", "AP50", "AP75")}
    assert nothing == dict.fromkeys(disc)
    assert star == {name: pytest.approx(100) for name in disc}
    # The mean over the categories that have objects.
    assert found.metrics["bbox/AP"] == pytest.approx((expected + 100) / 2)


def test_crowds_are_no_objects(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "1.png", "width": 400, "height": 50}],
        "categories": [{"id": 2, "name": "disc"}],
        "annotations": [
            one | {"iscrowd": int(one["id"] == 1)} for one in objects([(2, 0), (2, 1)])
        ],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    (tmp_path / "found.json").write_text(json.dumps(hits([(2, 0, 0.9), (2, 1, 0.8)])))
    found = score(tmp_path / "truth.json", tmp_path / "found.json")
    assert found.classes[0].objects == 1
    # The detection on the crowd is neither right nor wrong.
    assert found.voc["bbox/AP50"] == 100
