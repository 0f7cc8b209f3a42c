"""What a segmenter does with its losses on masks: it owns them, and joins their terms."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import pytest
import torch
from torch import nn

from boxseg.box_supervision import BoxSupervision
from boxseg.condinst import CondInst
from boxseg.engine.checkpoint import (
    checkpoint_content,
    load_model_state,
    read_checkpoint,
    write_checkpoint,
)
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions, PseudoTargets
from boxseg.pseudo_mask_losses import PseudoMaskDice
from boxseg.quality_aware import QualityAwareModule
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View
from tests.condinst.tiny import box_supervised, tiny_model, two_images
from tests.taught_masks import labelled


class LearnedWeight(MaskLoss):
    """A loss with a parameter, on the student's own mask features: the squared distance of their
    mean from it."""

    needs_mask_features = True

    def __init__(self) -> None:
        super().__init__()
        self.target = nn.Parameter(torch.tensor(5.0))

    def forward(self, predictions: MaskPredictions) -> LossTerms:
        assert predictions.mask_features is not None
        distance = (predictions.mask_features.mean() - self.target) ** 2
        return LossTerms({"loss_distance": distance}, {"target": self.target.detach()})


NAME = "mask_losses.LearnedWeight.target"


def model_with_a_parameter() -> CondInst:
    torch.manual_seed(0)
    return tiny_model([BoxSupervision(warmup_iterations=1, channel_order="RGB"), LearnedWeight()])


def teacher_student(student: CondInst, max_momentum: float = 0.5) -> TeacherStudent:
    return TeacherStudent(student, QualityAwareModule(), max_momentum=max_momentum).train()


def taught_images() -> list[dict[str, object]]:
    view = View(64, 64)
    return [
        {
            **x,
            "image": x["image"].byte(),
            "teacher_image": x["image"].byte(),
            "student_view": view,
            "teacher_view": view,
        }
        for x in two_images(False)
    ]


def step(model: TeacherStudent, optimizer: torch.optim.Optimizer, iteration: int) -> None:
    model.before_step(iteration)
    losses = model(copy.deepcopy(taught_images()), iteration).losses
    optimizer.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    optimizer.step()


def test_a_loss_with_a_parameter_is_trained_and_averaged() -> None:
    model = teacher_student(model_with_a_parameter())
    optimizer = torch.optim.SGD(model.student.parameters(), 0.01)
    before = model.student.get_parameter(NAME).item()
    for iteration in (1, 2):
        step(model, optimizer, iteration)
    student, teacher = (m.get_parameter(NAME) for m in (model.student, model.teacher))
    assert student.item() < before - 0.05  # towards the features' mean, which is far below 5
    assert not teacher.requires_grad and teacher.grad is None
    kept = teacher.item()
    model.before_step(3)
    assert teacher.item() == pytest.approx(0.5 * kept + 0.5 * student.item())
    assert kept != student.item()


def test_the_features_of_the_student_come_with_gradient() -> None:
    model = model_with_a_parameter().train()
    model(two_images(False), 1).losses["loss_distance"].backward()
    weight = model.mask_branch.tower[-1].weight
    assert weight.grad is not None and weight.grad.any()


def test_a_loss_with_a_parameter_is_saved_and_resumed(tmp_path: Path) -> None:
    model = teacher_student(model_with_a_parameter())
    optimizer = torch.optim.SGD(model.student.parameters(), 0.01)
    step(model, optimizer, 1)
    content = checkpoint_content(model, 1, "", 0.0, optimizer)
    write_checkpoint(tmp_path / "checkpoint.pt", content)
    resumed = teacher_student(model_with_a_parameter())
    state = read_checkpoint(tmp_path / "checkpoint.pt")["model"]
    assert f"student.{NAME}" in state and f"teacher.{NAME}" in state
    load_model_state(resumed, state, tmp_path / "checkpoint.pt")
    for role in ("student", "teacher"):
        ours, theirs = (m.get_parameter(f"{role}.{NAME}") for m in (resumed, model))
        assert ours.item() == theirs.item()
    assert resumed.student.get_parameter(NAME).item() != 5.0
    # Without the loss it is another architecture, and says so.
    with pytest.raises(InputError, match=f"left over.*{NAME}"):
        load_model_state(teacher_student(box_supervised()), state, tmp_path / "checkpoint.pt")


def test_a_loss_with_a_parameter_moves_with_the_model() -> None:
    model = model_with_a_parameter().double()
    assert model.get_parameter(NAME).dtype == torch.float64


def test_losses_without_parameters_leave_no_trace_in_the_weights() -> None:
    bare, taught = tiny_model([]), tiny_model([BoxSupervision(), PseudoMaskDice()])
    weights = io.BytesIO()
    torch.save(bare.state_dict(), weights)
    weights.seek(0)
    taught.load_state_dict(torch.load(weights, weights_only=True))
    assert list(taught.state_dict()) == list(bare.state_dict())


def test_two_terms_of_one_name_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        LossTerms.joined(
            {
                "mask_losses.dice": LossTerms({"loss_mask": torch.zeros(())}, {}),
                "mask_losses.mask": LossTerms({}, {"loss_mask": torch.zeros(())}),
            }
        )
    assert str(refused.value) == (
        "mask_losses.dice and mask_losses.mask both give a term called loss_mask, of which one "
        "would be lost; leave one of the two out, or rename its term."
    )


def test_a_model_with_two_losses_of_one_name_is_refused_in_its_first_step() -> None:
    model = tiny_model([BoxSupervision()])
    model.mask_losses["again"] = BoxSupervision()
    said = "mask_losses.BoxSupervision and mask_losses.again both give a term called loss_prj"
    with pytest.raises(InputError, match=said):
        model.train()(two_images(False), 1)


@pytest.mark.parametrize("name", ["with.dot", "keys"])
def test_a_name_that_no_module_can_have(name: str) -> None:
    model = tiny_model([])
    with pytest.raises(InputError, match="mask_losses has a loss whose name cannot be used"):
        type(model).__mro__[1].__init__(model, {name: BoxSupervision()})


def test_pseudo_targets_are_made_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model([PseudoMaskDice(), BoxSupervision()])
    batch = two_images(False)
    for x in batch:
        boxes = x["instances"].gt_boxes.tensor
        x["sample"] = labelled(boxes, torch.ones(len(boxes), 16, 16), stride=4)
    seen: list[PseudoTargets] = []
    monkeypatch.setattr(
        PseudoMaskDice,
        "forward",
        lambda self, given: seen.append(given.pseudo_targets) or LossTerms({}, {}),
    )
    model.mask_losses["twice"] = PseudoMaskDice()
    model.train()(batch, 1)
    assert len(seen) == 2 and seen[0] is seen[1]


def test_pseudo_targets_by_hand() -> None:
    # Stride 4: cells at pixels 2, 6, 10. The object's box fills columns 4 to 8 and all rows; its
    # mask is the whole image; the second image is one cell smaller and has no unsure pixels.
    first = labelled(
        torch.tensor([[4.0, 0.0, 8.0, 7.0]]),
        torch.ones(1, 2, 3),
        stride=4,
        quality=torch.tensor([0.25]),
        unsure=torch.tensor([[[0, 0, 0], [1, 1, 1]]]),
    )
    second = labelled(
        torch.tensor([[0.0, 0.0, 7.0, 7.0]]),
        torch.ones(1, 2, 2),
        stride=4,
        pasted=torch.tensor([True]),
    )
    made = PseudoTargets.of([first, second], 4, (3, 3), torch.device("cpu"))
    assert made.masks.int().tolist() == [
        [[0, 1, 0], [0, 1, 0], [0, 0, 0]],
        [[1, 1, 0], [1, 1, 0], [0, 0, 0]],
    ]
    assert made.boxes.int().tolist() == made.masks.int().tolist()
    assert made.unsure is not None
    assert made.unsure[0].nonzero().tolist() == [[1, 1]]
    assert not made.unsure[1].any()
    assert made.quality.tolist() == [0.25, 1.0]
    assert made.pasted.tolist() == [False, True]
