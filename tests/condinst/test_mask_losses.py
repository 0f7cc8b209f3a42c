"""Dice, true masks at the masks' stride, and the loss made of them."""

from __future__ import annotations

import pytest
import torch
from detectron2.structures import BitMasks, Instances
from torch import Tensor

from boxseg.errors import InputError
from boxseg.mask_losses import MaskPredictions, dice_loss
from boxseg.mask_supervision import MaskSupervision, sampled_masks
from tests.condinst.tiny import objects


def masked(*masks: Tensor) -> Instances:
    instances = objects([[0, 0, 8, 8]] * len(masks), [0] * len(masks))
    instances.gt_masks = BitMasks(torch.stack(masks))
    return instances


def test_dice_by_hand() -> None:
    x = torch.tensor([[[1.0, 0.5]], [[1.0, 1.0]], [[1.0, 0.0]]])
    t = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]], [[0.0, 1.0]]])
    # 1 - 2 * 1 / (1 + 0.25 + 1); nothing to pay; nothing in common.
    torch.testing.assert_close(dice_loss(x, t), torch.tensor([1 / 9, 0.0, 1.0]), rtol=0, atol=1e-5)


def test_dice_of_two_empty_masks_is_finite() -> None:
    x = torch.zeros(1, 2, 2, requires_grad=True)
    loss = dice_loss(x, torch.zeros(1, 2, 2))
    loss.sum().backward()
    assert loss.item() == 1
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(("stride", "offset"), [(4, 2), (2, 1), (1, 0)])
def test_cells_take_the_pixel_at_their_location(stride: int, offset: int) -> None:
    pixels = torch.zeros(8, 12, dtype=torch.bool)
    pixels[offset + stride, offset + 2 * stride] = True  # cell (1, 2)
    others = torch.ones(8, 12, dtype=torch.bool)
    others[offset::stride, offset::stride] = False
    found = sampled_masks(masked(pixels, others), stride, 8 // stride, 12 // stride)
    assert found.dtype == torch.bool
    assert found[0].nonzero().tolist() == [[1, 2]]
    assert not found[1].any()


def test_outside_the_stored_masks_is_background() -> None:
    # 9 x 7 pixels at stride 4 hold cells of rows 2 and 6 and columns 2 and 6.
    found = sampled_masks(masked(torch.ones(9, 7, dtype=torch.bool)), 4, 4, 3)
    expected = torch.zeros(4, 3, dtype=torch.bool)
    expected[:2, :2] = True
    assert torch.equal(found[0], expected)
    # A map smaller than the masks takes what fits.
    assert sampled_masks(masked(torch.ones(16, 16, dtype=torch.bool)), 4, 2, 3).shape == (1, 2, 3)


def test_sampling_without_masks() -> None:
    with pytest.raises(InputError, match="load_masks=true"):
        sampled_masks(objects([[0, 0, 1, 1]], [0]), 4, 2, 2)


def predictions(
    logits: Tensor, object_index: list[int], images: list[Instances]
) -> MaskPredictions:
    return MaskPredictions(
        logits=logits,
        object_index=torch.tensor(object_index, dtype=torch.int64),
        objects=images,
        images=torch.zeros(len(images), 3, 8, 8),
        image_sizes=[(8, 8)] * len(images),
        original_heights=[8] * len(images),
        stride=4,
        iteration=1,
    )


def test_mask_supervision_compares_each_positive_with_its_object() -> None:
    left, right = torch.zeros(2, 8, 8, dtype=torch.bool)
    left[:, :4] = True
    right[:, 4:] = True
    empty = objects([], [])
    empty.gt_masks = BitMasks(torch.zeros(0, 8, 8, dtype=torch.bool))
    images = [masked(left), empty, masked(right)]
    says_right = torch.tensor([[-500.0, 500.0]] * 2)
    logits = torch.stack((says_right, says_right, -says_right)).requires_grad_()
    # Object 1 is the right one, object 0 the left one: two hits, and a miss that costs 1.
    terms = MaskSupervision()(predictions(logits, [1, 0, 0], images))
    assert terms.losses["loss_mask"].item() == pytest.approx(1 / 3, abs=1e-5)
    assert list(terms.losses) == ["loss_mask"]
    assert terms.diagnostics == {}


def test_mask_supervision_without_positives() -> None:
    logits = torch.zeros(0, 2, 2, requires_grad=True)
    loss = MaskSupervision()(
        predictions(logits, [], [masked(torch.ones(8, 8, dtype=torch.bool))])
    ).losses["loss_mask"]
    assert loss.item() == 0
    loss.backward()
