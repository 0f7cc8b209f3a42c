"""Focal loss, centre-ness and box overlaps."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import generalized_box_iou, sigmoid_focal_loss

from boxseg.condinst.fcos_losses import box_ious, box_overlaps, centerness, focal_loss


def test_focal_loss_by_its_formula() -> None:
    # Two cells, two classes; cell 0 is of class 1, cell 1 is background (label 2).
    logits = torch.tensor([[0.0, 2.0], [-1.0, 3.0]])

    def probability(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    def negative(z: float) -> float:
        return -0.75 * probability(z) ** 2 * math.log(1 - probability(z))

    hit = -0.25 * (1 - probability(2)) ** 2 * math.log(probability(2))
    expected = negative(0) + hit + negative(-1) + negative(3)
    assert focal_loss(logits, torch.tensor([1, 2])).item() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_equals_torchvision() -> None:
    logits = (4 * torch.randn(50, 6)).requires_grad_()
    labels = torch.randint(0, 7, (50,))
    targets = F.one_hot(labels, 7)[:, :6].float()
    for alpha, gamma in ((0.25, 2.0), (0.6, 1.5)):
        ours = focal_loss(logits, labels, alpha, gamma)
        theirs = sigmoid_focal_loss(logits, targets, alpha, gamma, reduction="sum")
        torch.testing.assert_close(ours, theirs)
        (our_gradient,) = torch.autograd.grad(ours, logits)
        (their_gradient,) = torch.autograd.grad(theirs, logits)
        torch.testing.assert_close(our_gradient, their_gradient, rtol=1e-4, atol=1e-6)


def test_focal_loss_of_saturated_logits() -> None:
    logits = torch.tensor([[500.0, -500.0]], requires_grad=True)
    # Right: nothing to pay. Wrong twice: 0.25 * 500 for the class missed and 0.75 * 500.
    assert focal_loss(logits, torch.tensor([0])).item() == 0
    wrong = focal_loss(logits, torch.tensor([1]))
    assert wrong.item() == pytest.approx(500)
    wrong.backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([[0.75, -0.25]]))


def test_focal_loss_without_cells() -> None:
    logits = torch.zeros(0, 3, requires_grad=True)
    assert focal_loss(logits, torch.zeros(0, dtype=torch.int64)).item() == 0


def test_centerness_by_hand() -> None:
    distances = torch.tensor([[1.0, 2.0, 4.0, 2.0], [3.0, 3.0, 3.0, 3.0], [9.0, 1.0, 1.0, 4.0]])
    # sqrt(1/4 * 2/2), sqrt(1 * 1), sqrt(1/9 * 1/4)
    torch.testing.assert_close(centerness(distances), torch.tensor([0.5, 1.0, 1 / 6]))


def test_overlaps_by_hand() -> None:
    predicted = torch.tensor([[1.0, 1.0, 1.0, 1.0], [3.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]])
    target = torch.tensor([[2.0, 1.0, 1.0, 1.0], [1.0, 3.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]])
    iou, giou = box_overlaps(predicted, target)
    # Areas 4 and 6, intersection 4, union 6, hull 6.
    # Areas 8 and 8, intersection 4, union 12, hull 4 * 4 = 16, of which 4 are empty.
    # Equal boxes.
    torch.testing.assert_close(iou, torch.tensor([5 / 7, 5 / 13, 1.0]))
    torch.testing.assert_close(giou, torch.tensor([5 / 7, 5 / 13 - 4 / 16, 1.0]))


def test_overlaps_approach_torchvision_for_large_boxes() -> None:
    """The 1 that is added to intersection and union vanishes against large areas."""
    predicted, target = (100 + 900 * torch.rand(2, 20, 4)).unbind()

    def corners(distances: torch.Tensor) -> torch.Tensor:
        return torch.cat((-distances[:, :2], distances[:, 2:]), dim=1)

    expected = generalized_box_iou(corners(predicted), corners(target)).diag()
    torch.testing.assert_close(box_overlaps(predicted, target)[1], expected, rtol=0, atol=1e-4)


def test_no_positives() -> None:
    none = torch.zeros(0, 4)
    assert centerness(none).shape == (0,)
    assert [overlap.shape for overlap in box_overlaps(none, none)] == [(0,), (0,)]


def test_plain_iou_of_boxes_by_hand():
    predicted = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    target = torch.tensor([[1.0, 2.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    # 2 x 2 inside 2 x 4: 4 / 8; two empty boxes: 0, not NaN.
    torch.testing.assert_close(box_ious(predicted, target), torch.tensor([0.5, 0.0]))
