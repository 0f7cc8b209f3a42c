from __future__ import annotations

import contextlib
import copy
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from boxseg.engine.evaluation import METRICS
from boxseg.engine.image_bootstrap import average_precisions, bootstrap_sds

IMAGES, CLASSES = 30, 3
RANGES = [[0.0, 1e10], [0.0, 900.0], [900.0, 2500.0], [2500.0, 1e10]]


def split(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw objects, and detections near some of them: missed, doubled, misplaced.

    Many scores are equal, but none within an image: there, which comes first would be of the
    copy's making.
    """
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image in range(1, IMAGES + 1):
        scores = rng.permutation(50).tolist()
        for _ in range(rng.integers(0, 6)):
            x, y = rng.uniform(0, 150, 2)
            width, height = rng.uniform(15, 80, 2)
            category = int(rng.integers(1, CLASSES + 1))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": category,
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": int(rng.random() < 0.08),
                }
            )
            for _ in range(rng.integers(0, 4)):
                moved = np.array([x, y, width, height]) + rng.normal(0, 4, 4)
                other = int(rng.integers(1, CLASSES + 1))
                found.append(
                    {
                        "image_id": image,
                        "category_id": other if rng.random() < 0.2 else category,
                        "bbox": np.maximum(moved, 1.0).tolist(),
                        "score": scores.pop() / 50,
                    }
                )
    truth = {
        "images": [{"id": i, "width": 240, "height": 240} for i in range(1, IMAGES + 1)],
        "categories": [{"id": i, "name": str(i)} for i in range(1, CLASSES + 1)],
        "annotations": annotations,
    }
    return truth, found


def evaluated(truth: dict[str, Any], found: list[dict[str, Any]]) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(found)), "bbox")
        evaluation.params.areaRng = RANGES
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def resampled(truth: dict[str, Any], found: list[dict[str, Any]], draw: np.ndarray) -> COCOeval:
    """Evaluate the dataset in which each image stands as often as it was drawn."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for image, times in enumerate(draw, start=1):
        for _ in range(int(times)):
            number = len(images) + 1
            images.append({"id": number, "width": 240, "height": 240})
            for one in truth["annotations"]:
                if one["image_id"] == image:
                    annotations.append({**one, "image_id": number, "id": len(annotations) + 1})
            detections += [{**one, "image_id": number} for one in found if one["image_id"] == image]
    return evaluated({**truth, "images": images, "annotations": annotations}, detections)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_pycocotools_on_the_resampled_dataset(seed: int) -> None:
    truth, found = split(seed)
    rng = np.random.default_rng(seed + 100)
    draws = rng.multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), size=5).astype(float)
    draws[0] = 1.0  # the dataset itself
    ours = average_precisions(evaluated(truth, found), draws)
    for place, draw in enumerate(draws):
        theirs = resampled(truth, found, draw).stats
        for name, value in zip(METRICS, theirs, strict=False):
            wanted = value if value >= 0 else np.nan
            assert ours[name][place] == pytest.approx(wanted, abs=1e-9, nan_ok=True), name


def test_a_category_that_a_sample_lacks_is_left_out_of_its_mean() -> None:
    truth, found = split(0)
    rare = {one["image_id"] for one in truth["annotations"] if one["category_id"] == 3}
    draw = np.array([[0.0 if i in rare else 1.0 for i in range(1, IMAGES + 1)]])
    assert draw.any()
    ours = average_precisions(evaluated(truth, found), draw)
    assert ours["AP"][0] == pytest.approx(resampled(truth, found, draw[0]).stats[0], abs=1e-9)


def test_the_spread_is_that_of_other_splits() -> None:
    """Fresh splits of the same kind scatter by what the bootstrap says of one of them."""
    fresh = [100 * evaluated(*split(1000 + seed)).stats[0] for seed in range(60)]
    said = [bootstrap_sds(evaluated(*split(seed)))["AP"] for seed in range(8)]
    # 60 splits know their sd to 9%, eight bootstraps their mean to about as much.
    assert np.mean(said) == pytest.approx(np.std(fresh, ddof=1), rel=0.3)


def test_the_same_each_time_and_less_of_more_images() -> None:
    truth, found = split(0)
    once = bootstrap_sds(evaluated(truth, found))
    assert once == bootstrap_sds(evaluated(truth, found))
    assert set(once) <= set(METRICS)
    # Everything four times: half of the spread.
    more = bootstrap_sds(resampled(truth, found, np.full(IMAGES, 4.0)))
    assert more["AP"] == pytest.approx(once["AP"] / 2, rel=0.2)


def test_what_some_sample_leaves_undefined_is_left_out() -> None:
    truth, found = split(0)
    large = [one for one in truth["annotations"] if one["area"] > 2500]
    few = [one for one in truth["annotations"] if one["area"] <= 2500] + large[:1]
    sds = bootstrap_sds(evaluated({**truth, "annotations": few}, found))
    # A third of the samples lack the one image with a large object.
    assert "APl" not in sds and "AP" in sds


def test_without_correct_detections_there_is_no_spread() -> None:
    truth, found = split(0)
    one = [{**found[0], "bbox": [0.0, 0.0, 1.0, 1.0]}]
    assert bootstrap_sds(evaluated(truth, one))["AP"] == 0.0
