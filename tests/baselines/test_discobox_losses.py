"""DiscoBox's losses and gates, worked by hand."""

from __future__ import annotations

import pytest
import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from baselines.discobox import DiscoBoxSupervision, LevelGate, ScheduledGate
from baselines.discobox.losses import EPSILON, dice_loss, projection_loss, self_training_loss
from boxseg.mask_losses import MaskPredictions

SURE = 50.0


def predictions(
    logits: Tensor, teacher: Tensor | None = None, iteration: int = 1
) -> MaskPredictions:
    """Masks (P, 8, 8) of one object, a box of 16 x 8 pixels; its left half is of another colour."""
    images = torch.full((1, 3, 32, 32), 100.0)
    images[:, :, 8:16, 8:16] = 200.0
    objects = Instances((32, 32))
    objects.gt_boxes = Boxes(torch.tensor([[8.0, 8.0, 23.0, 15.0]]))
    objects.gt_classes = torch.zeros(1, dtype=torch.int64)
    return MaskPredictions(
        logits=logits,
        object_index=torch.zeros(len(logits), dtype=torch.int64),
        objects=[objects],
        images=images,
        image_sizes=[(32, 32)],
        original_heights=[32],
        stride=4,
        iteration=iteration,
        teacher_probabilities=teacher,
    )


def box_logits(rows: slice, columns: slice) -> Tensor:
    logits = torch.full((1, 8, 8), -SURE)
    logits[:, rows, columns] = SURE
    return logits


def test_dice_of_half_a_mask() -> None:
    whole, half = torch.ones(1, 4), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    assert dice_loss(half, whole).item() == pytest.approx(1 - 4 / (6 + 2 * EPSILON))
    assert dice_loss(half * 0, whole * 0).item() == 1.0  # nothing in common


def test_projections_do_not_see_holes() -> None:
    boxes = torch.zeros(1, 4, 4, dtype=torch.bool)
    boxes[:, 1:3, 1:3] = True
    diagonal = torch.full((1, 4, 4), -SURE)
    diagonal[:, 1, 1] = diagonal[:, 2, 2] = SURE
    assert projection_loss(diagonal, boxes).item() == pytest.approx(0, abs=2 * EPSILON)
    one = torch.full((1, 4, 4), -SURE)
    one[:, 1, 1] = SURE
    assert projection_loss(one, boxes).item() == pytest.approx(2 * (1 - 2 / (3 + 2 * EPSILON)))


def test_self_training_looks_one_cell_beyond_the_box() -> None:
    boxes = torch.zeros(1, 6, 6, dtype=torch.bool)
    boxes[:, 2:4, 2:4] = True
    near, far = boxes.float(), boxes.float()
    near[:, 1, 2] = far[:, 0, 2] = 1.0
    assert self_training_loss(far, boxes, boxes).item() == pytest.approx(0, abs=EPSILON)
    expected = 1 - 8 / (5 + 4 + 2 * EPSILON)
    assert self_training_loss(near, boxes, boxes).item() == pytest.approx(expected)


def test_no_self_training_before_the_gate_opens() -> None:
    loss = DiscoBoxSupervision(ScheduledGate(2))
    logits = box_logits(slice(2, 4), slice(2, 4))
    assert set(loss(predictions(logits, iteration=2)).losses) == {"loss_prj"}
    terms = loss(predictions(logits, iteration=3))
    assert set(terms.losses) == {"loss_prj", "loss_self_training"}


def test_own_mask_is_taught_where_there_is_no_teacher() -> None:
    """A mask that follows the colours is its own mean field: it teaches nothing new."""
    loss = DiscoBoxSupervision(ScheduledGate(0))
    half = box_logits(slice(2, 4), slice(2, 4))
    alone = loss(predictions(half)).losses["loss_self_training"]
    assert alone.item() == pytest.approx(0, abs=0.01)


def test_a_surer_teacher_overrules_the_student() -> None:
    loss = DiscoBoxSupervision(ScheduledGate(0))
    unsure = torch.full((1, 8, 8), -0.1).requires_grad_()
    teacher = torch.zeros(1, 8, 8)
    teacher[:, 2:4, 2:4] = 0.9
    given = predictions(unsure, teacher)
    masks = loss.pseudo_masks(given, torch.ones(1, 8, 8, dtype=torch.bool))
    assert masks.nonzero().tolist() == [[0, 2, 2], [0, 2, 3], [0, 3, 2], [0, 3, 3]]
    assert not loss.pseudo_masks(predictions(unsure), torch.ones_like(masks)).any()
    loss(given).losses["loss_self_training"].backward()
    assert unsure.grad is not None
    assert (unsure.grad[:, 2:4, 2:4] < 0).all()
    assert (unsure.grad[:, 5:] == 0).all()


def test_true_masks_reach_no_loss() -> None:
    given = predictions(box_logits(slice(2, 4), slice(2, 4)))
    before = DiscoBoxSupervision(ScheduledGate(0))(given).losses
    given.objects[0].gt_masks = torch.rand(1, 32, 32) > 0.5
    after = DiscoBoxSupervision(ScheduledGate(0))(given).losses
    assert before == after


def test_level_gate_follows_its_average_and_is_kept() -> None:
    gate = LevelGate(0.3, momentum=0.5, initial=2.0)
    opened = [gate(step, torch.tensor(0.0)) for step in range(1, 5)]
    assert opened == [False, False, True, True]  # 1, 0.5, 0.25, 0.125
    again = LevelGate(0.3, momentum=0.5, initial=2.0)
    again.load_state_dict(gate.state_dict())
    assert again.average.item() == 0.125
    assert not again(5, torch.tensor(2.0))  # it closes again


def test_no_positives() -> None:
    terms = DiscoBoxSupervision(ScheduledGate(0))(predictions(torch.zeros(0, 8, 8)))
    assert all(loss.item() == 0 for loss in terms.losses.values())
