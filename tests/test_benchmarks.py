"""The benchmarks: figures, what is timed, and one whole comparison."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from detectron2.structures import Boxes, pairwise_iou
from torch import nn

from benchmarks.convolutions import ConvolutionRecorder
from benchmarks.figures import ratio, table
from benchmarks.settings import METHODS, Work, words_of
from benchmarks.step_time import main
from benchmarks.synthetic import records_of
from benchmarks.trained_like import fit_predictions
from experiments.configuration.build import build
from experiments.configuration.compose import compose


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_sums() -> None:
    assert ratio([1.0, 30.0, 2.0], [2.0, 10.0, 4.0]) == 0.5


def test_rounds_that_one_side_lacks_are_refused() -> None:
    with pytest.raises(ValueError):
        ratio([1.0, 2.0], [1.0])


def test_a_table_leaves_blank_what_a_row_does_not_have() -> None:
    text = table([{"method": "a", "cpu": "1.000"}, {"method": "long", "masks": "7"}])
    assert text.splitlines() == [
        "method    cpu  masks",
        "     a  1.000",
        "  long             7",
    ]


@pytest.mark.parametrize("case", ["mini", "mini:", "mini:-96", "mini:0", "r34:96"])
def test_a_case_is_a_known_setting_and_a_size(case: str) -> None:
    with pytest.raises(ValueError, match="SETTING:PIXELS"):
        Work.of_case(case, 4, 7)


@pytest.mark.parametrize("method", METHODS)
def test_steps_leave_the_weights_as_they_are(method: str) -> None:
    config = compose(words_of(Work("mini", 96, 4, 7), method, "float32"))
    assert config.solver.optimizer["learning_rate"] == 1e-9
    assert config.images.short_sides == [96]


def test_recorded_are_convolutions_and_products_in_both_directions() -> None:
    images = torch.rand(2, 3, 8, 8)
    convolutions = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4)
    network = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(16, 2))
    blur = torch.ones(3, 1, 3, 3) / 9
    with ConvolutionRecorder() as found:
        network(F.conv2d(images, blur, groups=3)).sum().backward()
    forward = ["aten::convolution", "aten::convolution", "aten::addmm"]
    backward = ["aten::mm", "aten::mm", "aten::convolution_backward", "aten::convolution_backward"]
    assert [operator.name() for operator, *_ in found.calls] == forward + backward
    found.replay()


def test_many_objects_are_smaller_and_all_inside() -> None:
    sizes = {}
    for objects in (7, 100):
        (record,) = records_of(96, 128, objects, 1)
        boxes = Boxes(torch.tensor([a["bbox"] for a in record["annotations"]]))
        assert len(boxes) == objects
        assert boxes.inside_box((96, 128)).all()
        sizes[objects] = boxes.area().sqrt().mean()
    assert 0.4 < sizes[100] / sizes[7] < 0.65


def test_predictions_are_around_the_objects_and_their_masks_fill_them() -> None:
    torch.manual_seed(0)
    model = build(compose(words_of(Work("mini", 96, 2, 3), "boxteacher", "float32")).model)
    records = records_of(96, 96, 3, 2)
    fit_predictions(model.student, records)
    images = [torch.from_numpy(r["pixels"]).permute(2, 0, 1) for r in records]
    found = model.student.proposals(images, [96, 96])
    for number, record in enumerate(records):
        own = found.image_index == number
        for annotation in record["annotations"]:
            box = Boxes(torch.tensor([annotation["bbox"]]).float())
            overlaps = pairwise_iou(box, Boxes(found.boxes))[0] * own
            good = (overlaps > 0.6) & (found.classes == annotation["category_id"])
            assert good.any()
            counts = [int(number == image) for image in range(len(records))]
            mask = found.masks_of(overlaps.argmax()[None], counts)[0] > 0.5
            covered = mask.sum() * found.mask_stride**2 / box.area()
            assert 0.2 < covered < 1.2


@pytest.mark.slow
def test_a_commit_is_timed_beside_the_tree(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["mini:96", "--methods", "boxseg", "--batches", "2", "--rounds", "1", "--steps", "1"]
    main([*words, "--against", "HEAD"])
    heading, columns, row = capsys.readouterr().out.strip().splitlines()
    assert heading == "mini:96, batch 2, float32, cpu"
    names = "objects method cpu cpu-before cpu-ratio wall wall-before wall-ratio GB GB-before"
    names += " GB-ratio floor /floor reads reads-before candidates masks made-of pastes"
    assert columns.split() == names.split()
    found: dict[str, Any] = dict(zip(columns.split(), row.split(), strict=True))
    assert found["method"] == "boxseg"
    assert float(found["cpu"]) > float(found["floor"]) > 0
    assert 0.5 < float(found["GB-ratio"]) < 2
    assert int(found["candidates"]) > 7
    assert float(found["masks"]) > 7  # of the two images' 14 objects
