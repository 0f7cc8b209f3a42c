"""The classification losses, with the arithmetic by hand."""

import math

import pytest
import torch

from boxseg.condinst.classification import CenternessScored, IoUAware, ReleasedIoUAware

# One positive cell of class 0, predicted 2 x 2 where the object is 2 x 4 (in strides), so that the
# intersection is 4 and the union 8; one background cell.
LOGITS = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
LABELS = torch.tensor([0, 2])
CELLS = torch.tensor([0])
PREDICTED = torch.tensor([[1.0, 1.0, 1.0, 1.0]])
WANTED = torch.tensor([[1.0, 2.0, 1.0, 2.0]])
# At logit 0 every probability is 1/2 and the cross-entropy with any target is log 2.
LOG2 = math.log(2)


def test_varifocal_loss_of_varifocalnet():
    # The positive entry weighs its IoU, 4/8; the three negative ones 0.75 * (1/2)^2 each.
    expected = (0.5 + 3 * 0.75 * 0.25) * LOG2
    loss = IoUAware().loss(LOGITS, LABELS, CELLS, PREDICTED, WANTED)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_varifocal_loss_as_released():
    # IoU with 1 added above and below: 5/9; negatives 0.25 * (1/2)^2.
    expected = (5 / 9 + 3 * 0.25 * 0.25) * LOG2
    loss = ReleasedIoUAware().loss(LOGITS, LABELS, CELLS, PREDICTED, WANTED)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_gradient_of_the_positive_points_to_the_iou():
    # d/dz of w * BCE(sigmoid(z), t) is w (p - t), with w = t: at p = 1/2 and t = 1/2 it is 0.
    logits = LOGITS.clone().requires_grad_()
    IoUAware().loss(logits, LABELS, CELLS, PREDICTED, WANTED).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0].item() == pytest.approx(0, abs=1e-7)
    # A negative is alpha p^2 softplus(z): its derivative is alpha (2 p^2 (1 - p) softplus + p^3),
    # here 0.75 * (2/8 log 2 + 1/8).
    expected = 0.75 * (0.25 * LOG2 + 0.125)
    assert logits.grad[1, 0].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("classification", [IoUAware(), ReleasedIoUAware()])
def test_no_gradient_reaches_the_box(classification):
    predicted = PREDICTED.clone().requires_grad_()
    logits = LOGITS.clone().requires_grad_()
    classification.loss(logits, LABELS, CELLS, predicted, WANTED).backward()
    assert predicted.grad is None


def test_scores():
    probabilities, centerness = torch.tensor([[0.81, 0.25]]), torch.tensor([[0.25]])
    for classification, expected in (
        (CenternessScored(), [[0.45, 0.25]]),  # sqrt(0.81 * 0.25), sqrt(0.25 * 0.25)
        (ReleasedIoUAware(), [[0.45, 0.25]]),
        (IoUAware(), [[0.81, 0.25]]),
    ):
        scores = classification.scores(classification.products(probabilities, centerness))
        torch.testing.assert_close(scores, torch.tensor(expected))


def test_an_image_without_objects():
    none, empty = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    background = torch.tensor([2, 2])
    loss = IoUAware().loss(LOGITS, background, empty, none, none)
    assert loss.item() == pytest.approx(4 * 0.75 * 0.25 * LOG2, rel=1e-6)
