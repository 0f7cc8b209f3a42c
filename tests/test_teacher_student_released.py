"""What the released code does otherwise in the teacher-student step, switch by switch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from detectron2.structures import Boxes, Instances

from boxseg.copy_paste import CopyPaste, TrainingSample
from boxseg.pseudo_labels import PseudoLabeller, PseudoMasks, TeacherPredictions
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View
from experiments.configuration.build import build
from experiments.configuration.compose import compose

BOX = [0.0, 0.0, 8.0, 8.0]


def model_of(*words: str) -> TeacherStudent:
    torch.manual_seed(0)
    model = build(compose(["scale=smoke", "copy_paste=none", *words]).model)
    assert isinstance(model, TeacherStudent)
    return model.train()


def batch() -> list[dict[str, Any]]:
    """One image of noise, 64 x 64, with an object in its corner."""
    objects = Instances((64, 64))
    objects.gt_boxes = Boxes(torch.tensor([BOX]))
    objects.gt_classes = torch.tensor([0])
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    view = View(64, 64)
    shown = {"image": image, "teacher_image": image, "student_view": view, "teacher_view": view}
    return [shown | {"height": 64, "width": 64, "instances": objects, "color_seed": 0}]


def test_the_average_of_parameters_alone_leaves_the_teacher_its_own_statistics() -> None:
    model = model_of("method=boxseg-released")
    name = next(n for n, _ in model.student.named_buffers() if n.endswith("running_mean"))
    student, teacher = (dict(m.named_buffers())[name] for m in (model.student, model.teacher))
    weight = name.replace("running_mean", "weight")
    student += 1
    model.before_step(1)
    assert torch.equal(teacher, student)  # the first step's is a copy of all
    model(batch(), 1)
    assert model.teacher.training
    before = teacher.clone()
    assert not torch.equal(before, student)  # its images had other colours than the student's
    model.student.get_parameter(weight).data.fill_(3.0)
    model.teacher.get_parameter(weight).data.fill_(1.0)
    model.before_step(2)
    # Momentum min(max_momentum, 1 - 1 / 2), and the smoke scale's memory is shorter than 2 steps.
    kept = min(model.max_momentum, 0.5)
    assert model.teacher.get_parameter(weight)[0].item() == pytest.approx(3 - 2 * kept)
    assert torch.equal(teacher, before)


class AsideOfTheBox(PseudoLabeller):
    """A labeller whose every mask is the image's last quarter of rows, far from the objects."""

    def forward(self, predictions: TeacherPredictions, objects: Instances) -> PseudoMasks:
        count = len(objects)
        side = 64 // predictions.mask_stride
        masks = torch.zeros(count, side, side)
        masks[:, -side // 4 :] = 1.0
        ones = torch.ones(count)
        empty = torch.zeros_like(masks).bool()
        return PseudoMasks(masks, 0.5, empty, ones, ones, ones.bool(), ones.long())


class Keeper(CopyPaste):
    """A copy-paste that pastes nothing and keeps what it is given."""

    def __call__(
        self, samples: Sequence[TrainingSample], iteration: int
    ) -> tuple[list[TrainingSample], dict[str, float]]:
        self.samples = samples
        return list(samples), {}


@pytest.mark.parametrize(("method", "taught"), [("boxseg", False), ("boxseg-released", True)])
def test_masks_without_a_pixel_in_the_box(method: str, taught: bool) -> None:
    model = model_of(f"method={method}")
    model.pseudo_labeller, model.copy_paste = AsideOfTheBox(), Keeper()
    losses = model(batch(), 10).losses
    (sample,) = model.copy_paste.samples
    assert sample.valid.tolist() == [taught]
    assert sample.quality.tolist() == [taught]
    assert not sample.masks.any()
    # Dice with an empty mask is 1 for every positive; past the warm-up its weight is a half.
    assert losses["loss_mask"].item() == pytest.approx(0.5 * taught, abs=1e-3)


@pytest.mark.parametrize("unpasted", [False, True])
def test_whose_colours_are_compared(unpasted: bool) -> None:
    model = model_of("method=boxseg", f"model.compare_unpasted_colors={unpasted}")
    x = batch()[0]
    pasted = TrainingSample(
        image=torch.zeros_like(x["image"]),
        boxes=torch.tensor([BOX]),
        classes=torch.tensor([0]),
        masks=torch.zeros(1, 64, 64, dtype=torch.bool),
        quality=torch.zeros(1),
        scores=torch.zeros(1),
        valid=torch.tensor([False]),
        pasted=torch.tensor([False]),
    )
    compared = model.student_input(x, pasted)["unperturbed_image"]
    assert torch.equal(compared, x["image"] if unpasted else pasted.image)
