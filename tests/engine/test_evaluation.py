"""Average precision, on splits and predictions small enough to reckon by hand."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances
from pycocotools import mask as run_length
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import nn

from boxseg.encoded_masks import EncodedMasks
from boxseg.engine.evaluation import (
    METRICS,
    ground_truth,
    predictions_of,
    score,
    score_detections,
)
from boxseg.errors import InputError

SIZE = 100
FULL = [pytest.approx(100)] * 12


def rectangle(x: int, y: int, width: int, height: int) -> list[list[int]]:
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def annotation(number: int, image: int, category: int, *box: int) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "area": box[2] * box[3],
        "iscrowd": 0,
        "segmentation": rectangle(*box),
    }


def truth() -> dict[str, Any]:
    """Two images, two categories with ids of their own, an object of every size."""
    return {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": SIZE, "height": SIZE} for n in (1, 2)
        ],
        "categories": [{"id": 3, "name": "disc"}, {"id": 8, "name": "star"}],
        "annotations": [
            annotation(1, 1, 3, 10, 10, 20, 20),  # 400: small in COCO's pixels
            annotation(2, 1, 8, 40, 40, 50, 50),  # 2,500: medium
            annotation(3, 2, 3, 0, 0, 98, 98),  # 9,604: large
            annotation(4, 2, 8, 60, 60, 30, 30),  # 900: small
        ],
    }


def detection(found: dict[str, Any], confidence: float, **changes: Any) -> dict[str, Any]:
    """The prediction that meets an annotation exactly, as predictions are saved."""
    polygons = found["segmentation"]
    encoded = run_length.merge(run_length.frPyObjects(polygons, SIZE, SIZE))
    encoded["counts"] = encoded["counts"].decode("ascii")
    return {
        "image_id": found["image_id"],
        "category_id": found["category_id"],
        "bbox": list(found["bbox"]),
        "segmentation": encoded,
        "score": confidence,
    } | changes


def perfect(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [detection(found, 0.9) for found in content["annotations"]]


class Case:
    """A split and predictions on disk."""

    def __init__(self, folder: Path) -> None:
        self.annotations = folder / "instances_val.json"
        self.predictions = folder / "predictions.json"

    def score(
        self, content: dict[str, Any], found: list[dict[str, Any]], factor: float = 1.0
    ) -> dict[str, float | None]:
        self.annotations.write_text(json.dumps(content))
        self.predictions.write_text(json.dumps(found))
        return score(self.annotations, self.predictions, factor).metrics


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_perfect_predictions(case: Case) -> None:
    metrics = case.score(truth(), perfect(truth()))
    assert set(metrics) == {f"{kind}/{name}" for kind in ("segm", "bbox") for name in METRICS}
    assert list(metrics.values()) == FULL


def test_no_predictions(case: Case) -> None:
    assert set(case.score(truth(), []).values()) == {0.0}


def test_some_of_the_images_again_and_again(case: Case) -> None:
    found = [one | {"score": 0.9 - one["image_id"] / 10} for one in perfect(truth())]
    wrong = [one for one in found if one["image_id"] == 2]
    case.score(truth(), found)
    second = ground_truth(case.annotations, {2})
    assert [image["id"] for image in second.coco.dataset["images"]] == [2]
    assert score_detections(second, wrong).metrics["segm/AP"] == pytest.approx(100)
    # All objects are there: of the first image nothing is found, of each category one of two.
    everything = ground_truth(case.annotations)
    for _ in range(2):  # the annotations are not used up
        metrics = score_detections(everything, copy.deepcopy(wrong)).metrics
        assert metrics == case.score(truth(), wrong)
        assert metrics["segm/AP"] == pytest.approx(100 * 51 / 101)


def test_half_of_the_objects_by_hand(case: Case) -> None:
    # Of each category one object of two is found, with nothing wrong: precision 1 up to recall
    # 0.5. At the 101 recalls 0, 0.01, ..., 1 that is 51 ones and 50 zeros.
    half = [found for found in perfect(truth()) if found["image_id"] == 1]
    metrics = case.score(truth(), half)
    for name in ("AP", "AP50", "AP75"):
        assert metrics[f"segm/{name}"] == pytest.approx(100 * 51 / 101)
        assert metrics[f"bbox/{name}"] == pytest.approx(100 * 51 / 101)


def test_overlap_by_hand(case: Case) -> None:
    # A box of 10 x 10 against its half of 10 x 7: overlap 0.7, so found at the thresholds 0.5,
    # 0.55, ..., 0.7 and missed at 0.75, ..., 0.95: 5 of 10, one object, one category.
    content = truth() | {"annotations": [annotation(1, 1, 3, 20, 20, 10, 10)]}
    found = detection(annotation(0, 1, 3, 20, 20, 10, 7), 0.5)
    metrics = case.score(content, [found])
    assert metrics["bbox/AP"] == pytest.approx(50)
    assert metrics["bbox/AP50"] == pytest.approx(100)
    assert metrics["bbox/AP75"] == 0
    assert metrics["segm/AP"] == pytest.approx(50)


def test_another_category_is_no_match(case: Case) -> None:
    swapped = [one | {"category_id": 11 - one["category_id"]} for one in perfect(truth())]
    assert case.score(truth(), swapped)["bbox/AP"] == 0


def test_boxes_without_masks_have_no_mask_ap(case: Case) -> None:
    for absent in ("gone", "null"):
        content = truth()
        for one in content["annotations"]:
            del one["segmentation"], one["area"], one["iscrowd"]
            if absent == "null":
                one["segmentation"] = one["area"] = None
        metrics = case.score(content, perfect(truth()))
        assert {metrics[f"segm/{name}"] for name in METRICS} == {None}
        assert [metrics[f"bbox/{name}"] for name in METRICS] == FULL[:6]


def test_one_missing_mask_means_no_mask_ap(case: Case) -> None:
    content = truth()
    content["annotations"][2]["segmentation"] = None
    metrics = case.score(content, perfect(truth()))
    assert metrics["segm/AP"] is None
    assert metrics["bbox/AP"] == FULL[0]


def test_sizes_that_no_object_has_are_undefined(case: Case) -> None:
    content = truth() | {"annotations": truth()["annotations"][:1]}
    metrics = case.score(content, perfect(content))
    assert (metrics["segm/APs"], metrics["segm/APm"], metrics["segm/APl"]) == (FULL[0], None, None)


def test_area_ranges_scale_with_the_square_of_lengths(case: Case) -> None:
    # Images at half of COCO's lengths: small below 16^2 = 256, large above 48^2 = 2304. Of the
    # areas 400, 2500, 9604 and 900 none is small, 400 and 900 are medium, the others large.
    found = [one for one in perfect(truth()) if one["bbox"][2] in (20, 30)]
    whole = case.score(truth(), found)
    assert [whole[f"segm/AP{size}"] for size in "sml"] == [FULL[0], 0.0, 0.0]
    half = case.score(truth(), found, 0.5)
    assert [half[f"segm/AP{size}"] for size in "sml"] == [None, FULL[0], 0.0]
    scores = score(case.annotations, case.predictions, 0.5)
    assert scores.area_ranges == {
        "small": (0.0, 256.0),
        "medium": (256.0, 2304.0),
        "large": (2304.0, 1e10),
    }


def test_a_mask_s_size_is_its_own_and_not_its_box_s(case: Case) -> None:
    # A thin false mask in a large box, more certain than the small object that is met: the mask
    # has 90 pixels, so among small objects the precision is 1/2. Its box has 8,100 pixels, so
    # among small boxes it is no mistake.
    content = truth() | {"annotations": truth()["annotations"][:1]}
    thin = annotation(0, 2, 3, 5, 5, 90, 1)
    wrong = detection(thin, 0.95, bbox=[5, 5, 90, 90])
    metrics = case.score(content, [*perfect(content), wrong])
    assert metrics["segm/APs"] == pytest.approx(50)
    assert metrics["bbox/APs"] == FULL[0]


def test_an_annotation_with_id_zero_counts(case: Case) -> None:
    content = truth()
    for number, one in enumerate(content["annotations"]):
        one["id"] = number
    assert list(case.score(content, perfect(content)).values()) == FULL


def test_a_crowd_is_neither_hit_nor_missed(case: Case) -> None:
    content = truth()
    crowd = annotation(9, 1, 3, 0, 60, 40, 40)
    mask = np.zeros((SIZE, SIZE), np.uint8, order="F")
    mask[60:100, 0:40] = 1
    counts = run_length.encode(mask)["counts"].decode("ascii")
    crowd |= {"iscrowd": 1, "segmentation": {"size": [SIZE, SIZE], "counts": counts}}
    within = detection(annotation(0, 1, 3, 5, 65, 10, 10), 0.95)
    content["annotations"].append(crowd)
    metrics = case.score(content, [*perfect(truth()), within])
    assert metrics["segm/AP"] == FULL[0]
    assert metrics["bbox/AP"] == FULL[0]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("segmentation", "x", "its segmentation is neither a list of polygons nor"),
        ("segmentation", {"size": [1, 1], "counts": "1"}, "its segmentation is a run-length"),
        ("area", "large", "its area is no finite number"),
        ("area", float("nan"), "its area is no finite number"),
    ],
)
def test_annotations_that_cannot_be_evaluated(
    case: Case, key: str, value: object, said: str
) -> None:
    content = truth()
    content["annotations"][1][key] = value
    with pytest.raises(InputError, match=rf"^annotation 2 in .*instances_val\.json .*{said}"):
        case.score(content, [])


@pytest.mark.parametrize("absent", [[[], None], [[], []], [None, None]])
def test_masks_are_not_scored_where_some_are_missing_and_the_reason_is_told(
    case: Case, caplog: pytest.LogCaptureFixture, absent: list[object]
) -> None:
    content = truth()
    for one, value in zip(content["annotations"][1:], absent, strict=False):
        one["segmentation"] = value
    with caplog.at_level("INFO"):
        metrics = case.score(content, perfect(truth()))
    assert metrics["segm/AP"] is None and metrics["bbox/AP"] == FULL[0]
    empty = absent.count([])
    told = f", {empty} of them with an empty `segmentation`" if empty else ""
    (said,) = caplog.messages
    assert said.startswith("mask AP is not measured: 2 of 4 annotations in instances_val.json have")
    assert said.endswith(f" no mask{told}.")


def random_case(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Objects and noisy predictions, some of them wrong, with scores of their own."""
    rng = np.random.default_rng(seed)
    annotations = []
    for number in range(1, 41):
        large = number % 10 == 0
        x, y = (0, 0) if large else rng.integers(0, 50, 2).tolist()
        width, height = (98, 99) if large else rng.integers(3, 50, 2).tolist()
        image, category = int(rng.integers(1, 3)), int(rng.choice([3, 8]))
        annotations.append(annotation(number, image, category, x, y, width, height))
    found = []
    for one in annotations[5:]:
        x, y, width, height = (int(v) for v in np.asarray(one["bbox"]) + rng.integers(0, 3, 4))
        other = annotation(0, one["image_id"], int(rng.choice([3, 8])), x, y, width, height)
        found.append(detection(other, float(rng.random())))
    return truth() | {"annotations": annotations}, found


@pytest.mark.parametrize("seed", [0, 1])
def test_equals_pycocotools_used_directly(case: Case, seed: int) -> None:
    content, found = random_case(seed)
    metrics = case.score(content, found)
    for kind in ("segm", "bbox"):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(case.annotations))
            own = [
                {key: value for key, value in one.items() if kind == "bbox" or key != "bbox"}
                for one in copy.deepcopy(found)
            ]
            direct = COCOeval(coco, coco.loadRes(own), kind)
            direct.evaluate()
            direct.accumulate()
            direct.summarize()
        expected = [100 * value for value in direct.stats[:6]]
        assert [metrics[f"{kind}/{name}"] for name in METRICS] == expected
        assert 0 < expected[0] < 100


def test_the_truth_s_file_is_left_alone(case: Case) -> None:
    content = truth()
    del content["annotations"][0]["area"]
    case.score(content, perfect(truth()))
    assert json.loads(case.annotations.read_text()) == content
    assert ground_truth(case.annotations)[1]


class OneObject(nn.Module):
    """Finds in every image one object, as large as the image is bright."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, batch: list[dict[str, Any]]) -> list[dict[str, Instances]]:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.batches.append(len(batch))
        outputs = []
        for x in batch:
            side = int(x["image"].max())
            found = Instances((10, 12))
            found.pred_boxes = Boxes(torch.tensor([[1.0, 2.0, 1.0 + side, 2.0 + side]]))
            found.scores = torch.tensor([0.5])
            found.pred_classes = torch.tensor([1])
            masks = torch.zeros(1, 10, 12, dtype=torch.bool)
            masks[0, 2 : 2 + side, 1 : 1 + side] = True
            found.pred_masks = EncodedMasks.of(masks)
            outputs.append({"instances": found})
        return outputs


def test_predictions_are_saved_in_the_annotations_terms() -> None:
    model = OneObject()
    records = [{"image_id": 10 * n, "side": n} for n in (3, 1, 2)]

    def mapper(record: dict[str, Any]) -> dict[str, Any]:
        return {"image": torch.full((3, 4, 4), record["side"]), "image_id": record["image_id"]}

    found = predictions_of(model.train(), records, mapper, [3, 8], torch.float32, 2, "test")
    assert model.batches == [2, 1]
    assert [one["image_id"] for one in found] == [30, 10, 20]
    assert [one["category_id"] for one in found] == [8, 8, 8]  # class 1 is the second category
    assert found[0]["bbox"] == [1, 2, 3, 3]  # x, y, width, height
    assert run_length.area(found[0]["segmentation"]) == 9
    json.dumps(found)


def test_detections_that_ap_does_not_count_are_told(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    one = perfect(truth())[0]
    for number, told in ((100, False), (101, True)):
        caplog.clear()
        case.score(truth(), [one] * number)
        assert ("1 image has more than 100 detections of one category" in caplog.text) == told
