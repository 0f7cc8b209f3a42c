"""How good a trained teacher's pseudo masks are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.structures import Instances

from boxseg.box_masks import box_profiles
from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import binary_mask
from boxseg.data.records import load_records
from boxseg.pseudo_evaluation import calibration_of, pseudo_mask_scores
from boxseg.pseudo_labels import PseudoLabeller, PseudoMasks, TeacherPredictions, boxes_of
from boxseg.teacher_student import TeacherStudent
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from experiments.run.data import dataset_of


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("data")
    split = dataset_of(compose(["scale=smoke", f"data_dir='{folder}'"])).split("train")
    return load_records(split, with_masks=True).records


def model_of(*words: str) -> TeacherStudent:
    torch.manual_seed(0)
    model = build(compose(["scale=smoke", "method=boxteacher", *words]).model)
    assert isinstance(model, TeacherStudent)
    return model


def scores(
    model: TeacherStudent, records: list[dict[str, Any]], batch_size: int = 4
) -> dict[str, float | None]:
    reader = ImageReader("RGB")
    return pseudo_mask_scores(model, records, reader, 64, 64, batch_size, torch.float32).metrics


class WholeBoxes(PseudoLabeller):
    """A labeller that takes every `step`th object's box for its mask."""

    def __init__(self, step: int = 1) -> None:
        super().__init__()
        self.step = step

    def forward(self, predictions: TeacherPredictions, objects: Sequence[Instances]) -> PseudoMasks:
        stride = predictions.mask_stride
        height, width = (
            max(-(-size[axis] // stride) for size in predictions.image_sizes) for axis in (0, 1)
        )
        boxes = boxes_of(objects, predictions.device)
        rows, columns = box_profiles(boxes, stride, height, width)
        valid = torch.cat([torch.arange(len(o)) % self.step == 0 for o in objects])
        # A stride wider on each side, so that what cuts the mask is the box.
        masks = torch.ones_like(rows[:, :, None] & columns[:, None]) & valid[:, None, None]
        ones = valid.float()
        return PseudoMasks(masks.float(), 0.5, masks, ones, ones, valid, valid.long())


def box_overlaps(records: list[dict[str, Any]]) -> list[list[float]]:
    """IoU of every object's box, to the pixel, with its true mask."""
    overlaps = []
    for record in records:
        height, width = record["height"], record["width"]
        overlaps.append([])
        for one in record["annotations"]:
            mask = binary_mask(one["segmentation"], height, width)
            x0, y0, x1, y1 = one["bbox"]
            box = np.zeros_like(mask)
            box[int(y0) : int(y1 + 1), int(x0) : int(x1 + 1)] = True
            overlaps[-1].append(float((mask & box).sum() / (mask | box).sum()))
    return overlaps


def ellipse_overlaps(record: dict[str, Any]) -> list[float]:
    """IoU with the true mask of the ellipse in every object's box, pixel by pixel."""
    overlaps = []
    for one in record["annotations"]:
        mask = binary_mask(one["segmentation"], record["height"], record["width"])
        x0, y0, x1, y1 = one["bbox"]
        ellipse = np.array(
            [
                [
                    ((2 * x + 1 - x0 - x1) / (x1 - x0)) ** 2
                    + ((2 * y + 1 - y0 - y1) / (y1 - y0)) ** 2
                    <= 1
                    for x in range(record["width"])
                ]
                for y in range(record["height"])
            ]
        )
        overlaps.append(float((mask & ellipse).sum() / (mask | ellipse).sum()))
    return overlaps


@pytest.mark.parametrize("batch_size", [1, 5])
def test_masks_that_fill_their_boxes(records: list[dict[str, Any]], batch_size: int) -> None:
    model = model_of()
    model.pseudo_labeller = WholeBoxes()
    expected = 100 * np.mean(list(itertools.chain.from_iterable(box_overlaps(records))))
    found = scores(model, records, batch_size)
    assert found == {
        "pseudo/IoU": pytest.approx(expected, abs=1e-3),
        "pseudo/valid": 100.0,
        "pseudo/IoU-all": pytest.approx(expected, abs=1e-3),
        "pseudo/IoU-filled": pytest.approx(expected, abs=1e-3),
        "pseudo/rank-correlation": None,  # every quality is 1
        "pseudo/agreement": None,  # no candidates
    }


def test_objects_without_a_pseudo_mask_count_among_all_in_two_readings(
    records: list[dict[str, Any]],
) -> None:
    model = model_of()
    model.pseudo_labeller = WholeBoxes(step=2)
    overlaps = box_overlaps(records)
    labelled = list(itertools.chain.from_iterable(one[::2] for one in overlaps))
    total = sum(map(len, overlaps))
    assert 0 < len(labelled) < total
    found = scores(model, records)
    assert found["pseudo/IoU"] == pytest.approx(100 * np.mean(labelled), abs=1e-3)
    assert found["pseudo/valid"] == pytest.approx(100 * len(labelled) / total)
    assert found["pseudo/IoU-all"] == pytest.approx(100 * sum(labelled) / total, abs=1e-3)
    ellipses = [one for record in records for one in ellipse_overlaps(record)[1::2]]
    filled = 100 * (sum(labelled) + sum(ellipses)) / total
    assert found["pseudo/IoU-filled"] == pytest.approx(filled, abs=1e-3)


def with_sides_of(least: float, record: dict[str, Any]) -> dict[str, Any]:
    """The record without objects that are narrower or lower than so many pixels."""
    kept = [
        one
        for one in record["annotations"]
        if one["bbox"][2] - one["bbox"][0] >= least and one["bbox"][3] - one["bbox"][1] >= least
    ]
    return {**record, "annotations": kept}


def test_the_truth_itself_and_less_of_it(records: list[dict[str, Any]]) -> None:
    large = [with_sides_of(15, record) for record in records]  # four cells: smaller ones lose more
    assert sum(len(record["annotations"]) for record in large) > 10
    whole, eroded, inner = (
        scores(model_of(f"pseudo_labels={name}"), large)["pseudo/IoU"]
        for name in ("oracle", "oracle-eroded", "oracle-trimmed")
    )
    assert whole is not None and eroded is not None and inner is not None
    assert 100 > whole > 70  # sampled at a stride of 4 pixels in images of 64
    assert eroded < inner < whole - 10


def test_a_teacher_that_finds_nothing(records: list[dict[str, Any]]) -> None:
    ellipses = [one for record in records for one in ellipse_overlaps(record)]
    expected = {
        "pseudo/IoU": None,
        "pseudo/valid": 0.0,
        "pseudo/IoU-all": 0.0,
        "pseudo/IoU-filled": pytest.approx(100 * np.mean(ellipses)),
        "pseudo/rank-correlation": None,
        "pseudo/agreement": None,
    }
    assert scores(model_of(), records) == expected
    none = dict.fromkeys(expected)
    assert scores(model_of(), [{**records[0], "annotations": []}]) == none


@pytest.mark.parametrize("method", ["boxseg", "sim", "boxteacher-released"])
def test_every_way_to_show_the_teacher_its_image(
    records: list[dict[str, Any]], method: str
) -> None:
    model = build(compose(["scale=smoke", f"method={method}"]).model)
    found = scores(model, records[:3])
    assert found.keys() == {
        "pseudo/IoU",
        "pseudo/valid",
        "pseudo/IoU-all",
        "pseudo/IoU-filled",
        "pseudo/rank-correlation",
        "pseudo/agreement",
    }
    assert found["pseudo/valid"] is not None


def test_nothing_is_learnt(records: list[dict[str, Any]]) -> None:
    model = model_of("pseudo_labels=oracle")
    before = {name: tensor.clone() for name, tensor in model.teacher.state_dict().items()}
    scores(model, records)
    after = model.teacher.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_quality_is_compared_with_the_overlap(records: list[dict[str, Any]]) -> None:
    class OrderedByTruth(WholeBoxes):
        """Says of every box how well it covers its object, squared: the same order."""

        def __init__(self, qualities: list[list[float]], sign: int) -> None:
            super().__init__()
            self.qualities, self.sign = iter(qualities), sign

        def forward(
            self, predictions: TeacherPredictions, objects: Sequence[Instances]
        ) -> PseudoMasks:
            labels = super().forward(predictions, objects)
            quality = torch.tensor([q for _ in objects for q in next(self.qualities)]) ** 2
            return replace(labels, quality=quality if self.sign > 0 else 1 - quality)

    overlaps = box_overlaps(records)
    everything = np.concatenate([np.asarray(one) for one in overlaps])
    model = model_of()
    for sign in (1, -1):
        model.pseudo_labeller = OrderedByTruth(overlaps, sign)
        found = pseudo_mask_scores(model, records, ImageReader("RGB"), 64, 64, 4, torch.float32)
        assert found.metrics["pseudo/rank-correlation"] == pytest.approx(100 * sign, abs=0.1)
        assert sum(one["objects"] or 0 for one in found.calibration) == len(everything)
        weighted = [(one["objects"] or 0) * (one["mean_iou"] or 0) for one in found.calibration]
        assert sum(weighted) / len(everything) == pytest.approx(everything.mean(), abs=1e-5)


def test_agreement_is_a_mean_over_objects_with_several_candidates(
    records: list[dict[str, Any]],
) -> None:
    class Agreeing(WholeBoxes):
        """Of each image's objects the first has one candidate, the others agree by a half."""

        def forward(
            self, predictions: TeacherPredictions, objects: Sequence[Instances]
        ) -> PseudoMasks:
            labels = super().forward(predictions, objects)
            first = torch.cat([torch.arange(len(o)) == 0 for o in objects])
            return replace(labels, agreement=torch.where(first, torch.nan, 0.5))

    assert all(len(record["annotations"]) for record in records)
    assert any(len(record["annotations"]) > 1 for record in records)
    model = model_of()
    model.pseudo_labeller = Agreeing()
    assert scores(model, records)["pseudo/agreement"] == 50.0


def test_calibration_worked_by_hand() -> None:
    # 0.05 and 0.09 fall into the first bin, 0.1 into the second, 1.0 into the last.
    bins = calibration_of(np.array([0.05, 0.09, 0.1, 1.0]), np.array([0.2, 0.4, 0.5, 0.9]))
    assert [one["objects"] for one in bins] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert bins[0]["mean_quality"] == pytest.approx(0.07)
    assert bins[0]["mean_iou"] == pytest.approx(0.3)
    assert bins[1]["mean_iou"] == pytest.approx(0.5)
    assert bins[9]["mean_iou"] == pytest.approx(0.9)
    assert bins[2] == {
        "quality_from": 0.2,
        "quality_to": 0.3,
        "objects": 0,
        "mean_quality": None,
        "mean_iou": None,
    }
