"""The teacher-student step: views, teacher, pseudo masks, copy-paste, resuming, no leak."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from boxseg.data.dataset import Split
from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import TeacherStudentMapper
from boxseg.data.records import load_records
from boxseg.mask_overlap import mask_iou
from boxseg.pseudo_labels import PseudoMasks
from boxseg.pseudo_statistics import rank_correlation
from boxseg.teacher_frame import labels_in_view
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View, boxes_between, maps_between
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from experiments.run.data import dataset_of


def model_of(*words: str) -> TeacherStudent:
    torch.manual_seed(0)
    model = build(compose(["scale=smoke", *words]).model)
    assert isinstance(model, TeacherStudent)
    return model.train()


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    folder = tmp_path_factory.mktemp("data")
    return dataset_of(compose(["scale=smoke", f"data_dir='{folder}'"])).split("train")


def sides(annotation: dict[str, Any]) -> float:
    """The shorter side of an annotation's box."""
    left, top, right, bottom = annotation["bbox"]
    return min(right - left, bottom - top)


def batch_of(
    split: Split, seed: int = 0, with_masks: bool = True, least: float = 0
) -> list[dict[str, Any]]:
    """Four images, without the objects that are narrower or lower than `least` pixels."""
    import numpy as np

    records = [
        {**record, "annotations": [one for one in record["annotations"] if sides(one) >= least]}
        for record in load_records(split, with_masks).records
    ]
    records = [record for record in records if record["annotations"]]
    mapper = TeacherStudentMapper(ImageReader("RGB"), [48, 56, 64], 64, True, with_masks, 64)
    return [mapper(r, np.random.default_rng([seed, i])) for i, r in enumerate(records[:4])]


def losses_of(model: TeacherStudent, batch: list[dict[str, Any]], steps: int = 2) -> list[Tensor]:
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.student.parameters(), 0.01)
    totals = []
    for iteration in range(1, steps + 1):
        model.before_step(iteration)
        terms = model(copy.deepcopy(batch), iteration)
        total = torch.stack(list(terms.losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.detach())
    return totals


def test_views_map_boxes_and_maps_by_hand() -> None:
    teacher, student = View(4, 8), View(2, 4, flipped=True)
    # Halved: (1, 0, 2, 1); mirrored in a width of 4: (4 - 2, 0, 4 - 1, 1).
    box = torch.tensor([[2.0, 0.0, 4.0, 2.0]])
    there = boxes_between(box, teacher, student)
    assert there.tolist() == [[2.0, 0.0, 3.0, 1.0]]
    assert boxes_between(there, student, teacher).tolist() == box.tolist()
    ramp = torch.arange(4.0).repeat(2, 1)[None]
    assert maps_between(ramp, View(2, 4), View(2, 4, True))[0, 0].tolist() == [3, 2, 1, 0]


def test_pseudo_masks_land_where_the_object_is() -> None:
    probabilities = torch.zeros(1, 4, 4)
    probabilities[0, :, :2] = 1.0  # the left half of a 16 x 16 teacher image
    labels = PseudoMasks(
        probabilities,
        0.5,
        probabilities > 0.5,
        torch.ones(1),
        torch.ones(1),
        torch.tensor([True]),
        torch.tensor([1]),
    )
    box = torch.tensor([[4.0, 0.0, 8.0, 8.0]])
    masks, unsure = labels_in_view(labels, box, 4, View(16, 16), View(8, 8, flipped=True))
    assert unsure is None
    columns = masks[0].all(dim=0).nonzero().squeeze(1).tolist()
    assert columns == [4, 5, 6, 7]  # the right half, inside the box


@pytest.mark.parametrize("words", [("method=boxteacher",), ("method=boxseg",)])
def test_true_masks_reach_no_loss(split: Split, words: tuple[str, ...]) -> None:
    batch = batch_of(split)
    corrupted = copy.deepcopy(batch)
    for x in corrupted:
        assert not x["instances"].has("gt_masks")
        x["diagnostic_masks"] = ~x["diagnostic_masks"]
    without = copy.deepcopy(batch)
    for x in without:
        x["diagnostic_masks"] = None
    wanted = losses_of(model_of(*words), batch)
    assert losses_of(model_of(*words), corrupted) == wanted
    assert losses_of(model_of(*words), without) == wanted


def test_teacher_is_the_average_and_learns_nothing_itself(split: Split) -> None:
    model = model_of("method=boxseg")
    losses_of(model, batch_of(split), steps=3)
    assert all(p.grad is None and not p.requires_grad for p in model.teacher.parameters())
    assert not model.teacher.training and model.student.training
    name, student = next(iter(model.student.named_parameters()))
    before = dict(model.teacher.named_parameters())[name].clone()
    model.before_step(4)
    momentum = min(model.max_momentum, 1 - 1 / 4)
    after = dict(model.teacher.named_parameters())[name]
    torch.testing.assert_close(after, momentum * before + (1 - momentum) * student)


def test_the_teacher_may_begin_later() -> None:
    """Until then it is the student before each step; then an average that begins with it."""
    model = model_of("method=boxseg", "step.start_iterations=2")
    name = next(iter(dict(model.student.named_parameters())))
    seen = []

    def before_step(step: int) -> Tensor:
        model.before_step(step)
        seen.append(dict(model.student.named_parameters())[name].detach().clone())
        with torch.no_grad():
            model.student.get_parameter(name).add_(1.0)  # what the step learns
        return model.teacher.get_parameter(name)

    for step in (1, 2, 3):
        torch.testing.assert_close(before_step(step), seen[-1])
    momentum = min(model.max_momentum, 1 / 2)
    expected = momentum * seen[-1] + (1 - momentum) * (seen[-1] + 1)
    torch.testing.assert_close(before_step(4), expected)


def test_oracle_gives_the_true_masks(split: Split) -> None:
    model = model_of("method=boxteacher", "pseudo_labels=oracle")
    # Five cells of a mask, as nearly all objects had that the bar was set for; many have less now.
    batch = batch_of(split, least=20)
    assert sum(len(one["instances"]) for one in batch) > 5
    model.before_step(1)
    diagnostics = model(batch, 1).diagnostics
    assert diagnostics["pseudo_valid_share"] == 1
    assert diagnostics["pseudo_iou"] > 0.85  # the masks' stride is all that is lost


def test_copy_paste_and_labeller_go_on_from_the_checkpoint(split: Split) -> None:
    words = ("method=boxseg", "pseudo_labels=oracle-half")
    batch = batch_of(split)
    whole = model_of(*words)
    losses_of(whole, batch, steps=3)
    resumed = model_of(*words)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    assert len(resumed.copy_paste.bank) == len(whole.copy_paste.bank) > 0
    assert losses_of(resumed, batch, steps=2) == losses_of(whole, batch, steps=2)


def test_mask_iou_and_rank_correlation_by_hand() -> None:
    a = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 0, 0]]]).bool()
    b = torch.tensor([[[0, 1, 1, 0]], [[0, 0, 0, 0]]]).bool()
    assert mask_iou(a, b).tolist() == pytest.approx([1 / 3, 0.0])
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(x, x * x) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)
    # Ranks 0 1 2 3 and 1 0 3 2: 1 - 6 * 4 / (4 * 15) = 0.6.
    assert rank_correlation(x, torch.tensor([2.0, 1.0, 4.0, 3.0])) == pytest.approx(0.6)
    assert rank_correlation(x, torch.ones(4)) == 0
