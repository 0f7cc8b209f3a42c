"""Losses on pseudo masks: Eq. 1 and the affinity term."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError
from boxseg.mask_losses import MaskLoss, MaskPredictions
from boxseg.pseudo_mask_losses import (
    PseudoMaskAffinity,
    PseudoMaskDice,
    linear_warmup,
    quality_weighted_mean,
)
from tests import taught_masks
from tests.taught_masks import labelled

STRIDE = 4
LOSSES = [PseudoMaskDice(), PseudoMaskAffinity()]


def objects(
    size: tuple[int, int], boxes: Tensor, masks: Tensor, quality: Tensor, valid: Tensor
) -> TrainingSample:
    return labelled(boxes, masks, STRIDE, size, quality, valid)


def predictions(
    logits: Tensor, object_index: list[int], images: list[TrainingSample], iteration: int = 10_000
) -> MaskPredictions:
    return taught_masks.predictions(logits, object_index, images, STRIDE, iteration)


def two_objects() -> TrainingSample:
    """In an 8 x 8 image, 2 x 2 cells: the first object fills the upper row, the second all."""
    return objects(
        (8, 8),
        torch.tensor([[0.0, 0, 7, 3], [0, 0, 7, 7]]),
        torch.tensor([[[1, 0], [1, 1]], [[1, 1], [1, 1]]]).bool(),
        torch.tensor([0.6, 0.5]),
        torch.tensor([True, True]),
    )


def test_equation_1_by_hand() -> None:
    # All student probabilities are 1 / 2, so |x|^2 = 4 / 4 = 1. First object: its pseudo mask's
    # lower row is outside the box, one pixel remains: Dice = 1 - 2 x 0.5 / (1 + 1) = 0.5. Second:
    # 4 pixels, Dice = 1 - 2 x 2 / (1 + 4) = 0.2. (0.6 x 0.5 + 0.5 x 0.2) / 2 = 0.2.
    terms = PseudoMaskDice()(predictions(torch.zeros(2, 2, 2), [0, 1], [two_objects()]))
    assert terms.diagnostics["pseudo_dice_raw"].item() == pytest.approx(0.2, rel=1e-5)
    assert terms.losses["loss_mask"].item() == pytest.approx(0.5 * 0.2, rel=1e-5)
    # A second positive of the first object: (2 x 0.6 x 0.5 + 0.5 x 0.2) / 3, and at iteration 3000
    # of 10,000 the warm-up factor is 0.3.
    terms = PseudoMaskDice()(predictions(torch.zeros(3, 2, 2), [0, 1, 0], [two_objects()], 3000))
    assert terms.losses["loss_mask"].item() == pytest.approx(0.5 * 0.3 * 0.7 / 3, rel=1e-5)
    assert terms.diagnostics["pseudo_mask_warmup"].item() == pytest.approx(0.3)


def test_only_valid_pseudo_masks_are_counted() -> None:
    image = replace(two_objects(), valid=torch.tensor([True, False]))
    terms = PseudoMaskDice(weight=1.0)(predictions(torch.zeros(2, 2, 2), [0, 1], [image]))
    assert terms.losses["loss_mask"].item() == pytest.approx(0.6 * 0.5, rel=1e-5)  # N_p = 1


def test_affinity_by_hand() -> None:
    # 3 x 3 cells with dilation 2, and the left column is the pseudo mask. The agreeing pairs are
    # the ends of each column, as all pairs from left to right disagree; each pair counts twice.
    # With logits 0 everywhere but ln 3 (probability 3/4) at (0,0), P(same) is 1/2 for two columns
    # and 3/4 x 1/2 + 1/4 x 1/2 = 1/2 for the left one: the mean is ln 2.
    image = objects(
        (12, 12),
        torch.tensor([[0.0, 0, 11, 11]]),
        torch.tensor([[[1, 0, 0]] * 3]).bool(),
        torch.tensor([0.5]),
        torch.tensor([True]),
    )
    logits = torch.zeros(1, 3, 3)
    logits[0, 0, 0] = math.log(3)
    loss = PseudoMaskAffinity(weight=1.0, bottom_rows_removed=0)
    terms = loss(predictions(logits, [0], [image]))
    assert terms.losses["loss_mask_affinity"].item() == pytest.approx(0.5 * math.log(2), rel=1e-5)
    # With ln 3 at (2,0) too, P(same) of the left column is 9/16 + 1/16 = 5/8.
    logits[0, 2, 0] = math.log(3)
    terms = loss(predictions(logits, [0], [image]))
    expected = 0.5 * (math.log(8 / 5) + 2 * math.log(2)) / 3
    assert terms.losses["loss_mask_affinity"].item() == pytest.approx(expected, rel=1e-5)


def test_affinity_leaves_out_the_lowest_rows() -> None:
    image = objects(
        (20, 12),
        torch.tensor([[0.0, 0, 11, 19]]),
        torch.ones(1, 5, 3).bool(),
        torch.ones(1),
        torch.tensor([True]),
    )
    logits = torch.zeros(1, 5, 3)
    logits[0, 4] = 30.0  # the lowest row of cells; its pairs within the row are of one label
    logits[0, 2] = -30.0  # against the lowest row: -log P(same) = 30
    whole = PseudoMaskAffinity(weight=1.0, bottom_rows_removed=0)(predictions(logits, [0], [image]))
    cut = PseudoMaskAffinity(weight=1.0, bottom_rows_removed=10)(predictions(logits, [0], [image]))
    assert whole.losses["loss_mask_affinity"] > 5
    # The lowest 10 pixel rows hold the cells of pixel rows 10, 14 and 18.
    assert cut.losses["loss_mask_affinity"] < 2


def test_pseudo_masks_are_padded_to_the_batch() -> None:
    small = two_objects()
    large = objects(
        (12, 16),
        torch.tensor([[4.0, 4, 15, 11]]),
        torch.ones(1, 3, 4).bool(),
        torch.tensor([0.9]),
        torch.tensor([True]),
    )
    logits = torch.randn(3, 3, 4, generator=torch.Generator().manual_seed(0))
    both = PseudoMaskDice(weight=1.0)(predictions(logits, [0, 1, 2], [small, large]))
    alone = [
        PseudoMaskDice(weight=1.0)(predictions(logits[:2], [0, 1], [small])),
        PseudoMaskDice(weight=1.0)(predictions(logits[2:], [0], [large])),
    ]
    parts = [2 * alone[0].losses["loss_mask"], alone[1].losses["loss_mask"]]
    torch.testing.assert_close(both.losses["loss_mask"], sum(parts) / 3)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_no_valid_pseudo_mask(loss: MaskLoss) -> None:
    image = replace(two_objects(), valid=torch.zeros(2).bool())
    empty = image.objects(torch.zeros(2).bool())
    for index, images in (([0, 1], [image]), ([], [empty]), ([], [image, empty])):
        logits = torch.zeros(len(index), 2, 2, requires_grad=True)
        total = sum(loss(predictions(logits, index, images)).losses.values())
        assert total.item() == 0
        total.backward()
        assert not logits.grad.any()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: type(x).__name__)
def test_missing_pseudo_masks_are_named(loss: MaskLoss) -> None:
    untaught = replace(predictions(torch.zeros(1, 2, 2), [0], [two_objects()]), pseudo=None)
    with pytest.raises(InputError, match="pseudo labeller"):
        loss(untaught)


@given(st.integers(0, 2**32 - 1))
def test_gradient_grows_with_quality_and_ends_at_valid_masks(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    size = (24, 32)
    masks = torch.rand(3, 6, 8, generator=generator) < 0.5
    image = objects(
        size,
        torch.tensor([[1.0, 2, 30, 21], [0, 0, 31, 23], [3, 3, 29, 23]]),
        masks,
        torch.tensor([0.2, 0.8, 0.9]),
        torch.tensor([True, True, False]),
    )
    values = torch.randn(3, 6, 8, generator=generator)
    for loss in LOSSES:
        logits = values.clone().requires_grad_()
        terms = loss(predictions(logits, [0, 1, 2], [image]))
        sum(terms.losses.values()).backward()
        assert not logits.grad[2].any()
        better = replace(image, quality=torch.tensor([0.4, 0.8, 0.9]))
        doubled = values.clone().requires_grad_()
        sum(loss(predictions(doubled, [0, 1, 2], [better])).losses.values()).backward()
        torch.testing.assert_close(doubled.grad[0], 2 * logits.grad[0])
        torch.testing.assert_close(doubled.grad[1], logits.grad[1])


def test_reduction_and_warmup() -> None:
    losses, quality = torch.tensor([0.5, 0.2]), torch.tensor([0.6, 1.0])
    assert quality_weighted_mean(losses, quality).item() == pytest.approx((0.3 + 0.2) / 2)
    assert quality_weighted_mean(losses[:0], quality[:0]).item() == 0
    assert [linear_warmup(i, 100) for i in (1, 50, 100, 200)] == [0.01, 0.5, 1, 1]
    assert linear_warmup(1, 0) == 1
