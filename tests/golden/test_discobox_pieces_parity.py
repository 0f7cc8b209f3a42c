"""Parity of DiscoBox's parts with the released code's: mean field, losses, correspondence, bank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.discobox.correspondence import (
    cell_cosines,
    correspondence_loss,
    enlarged,
    messages,
    smoothed,
    transport,
    unit_features,
)
from baselines.discobox.losses import projection_loss, self_training_loss
from baselines.discobox.mean_field import BinaryMeanField
from baselines.discobox.object_bank import (
    Likeness,
    ObjectBank,
    StoredObjects,
    appearances,
    shape_ratios,
    soft_overlaps,
)
from tests.golden.files import Golden, each, files, needs

FILES = files("case7_discobox_pieces")

pytestmark = needs(FILES)


def box_masks(golden: Golden) -> Tensor:
    """The boxes of the mean field's objects, both ends filled."""
    height, width = golden.arrays["mf_image"].shape[2:]
    x0, y0, x1, y1 = golden.tensor("mf_boxes")[:, :, None].unbind(dim=1)
    columns, rows = torch.arange(width), torch.arange(height)
    return ((rows >= y0) & (rows <= y1))[:, :, None] & ((columns >= x0) & (columns <= x1))[:, None]


def mean_field(golden: Golden, section: str = "mean_field", **changes: int) -> BinaryMeanField:
    config = golden.meta["config"]
    settings = {**config["mean_field"], **config[section]}
    arguments = {
        "rounds": settings["iter"],
        "base": settings["base"],
        "side": settings["kernel_size"],
        "strength": settings["alpha0"],
        "color_scale": settings["theta0"],
        "distance_scale": settings["theta1"],
    }
    return BinaryMeanField(**(arguments | changes))


def masks_of(golden: Golden, field: BinaryMeanField, messages: Tensor | None = None) -> Tensor:
    probabilities = golden.tensor("mf_prob")[:, 0]
    images = torch.zeros(len(probabilities), dtype=torch.int64)
    kernel = field.kernel(golden.tensor("mf_image"))
    return field(kernel, images, probabilities, box_masks(golden), messages)


@pytest.mark.parametrize("file", each(FILES))
def test_kernel(file: Path) -> None:
    golden = Golden.load(file)
    kernel = mean_field(golden).kernel(golden.tensor("mf_image"))
    np.testing.assert_allclose(
        kernel.weights[0].flatten(1), golden.arrays["mf_kernel"], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("file", each(FILES))
def test_mean_field(file: Path) -> None:
    golden = Golden.load(file)
    width = golden.arrays["mf_image"].shape[3]
    usual = mean_field(golden)
    rounds = {
        int(name.removesuffix("_packed")): mean_field(golden, rounds=int(name[:1]))
        for name in golden.pieces("mf_pseudo_", "")
        if name != "packed"
    }
    assert rounds
    for number, field in rounds.items():
        assert torch.equal(
            masks_of(golden, field), golden.bits(f"mf_pseudo_{number}_packed", width)
        )
    assert torch.equal(masks_of(golden, usual), golden.bits("mf_pseudo_packed", width))
    wider = mean_field(golden, "mean_field_5")
    assert torch.equal(masks_of(golden, wider), golden.bits("mf5_pseudo_packed", width))
    told = masks_of(golden, usual, golden.tensor("mf_inter"))
    assert torch.equal(told, golden.bits("mf_inter_pseudo_packed", width))


@pytest.mark.parametrize("file", each(FILES))
def test_losses(file: Path) -> None:
    golden = Golden.load(file)
    boxes = box_masks(golden)
    pseudo = golden.bits("mf_pseudo_packed", boxes.shape[2])
    logits = golden.tensor("mil_logits").requires_grad_()
    found = {
        "mil": projection_loss(logits, boxes),
        "ts": self_training_loss(logits.sigmoid(), boxes, pseudo),
    }
    for name, losses in found.items():
        np.testing.assert_allclose(losses.detach(), golden.arrays[f"{name}_loss"], rtol=1e-5)
        (gradient,) = torch.autograd.grad(losses.mean(), logits)
        expected = golden.arrays[f"{name}_grad"]
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("file", each(FILES))
def test_correspondence(file: Path) -> None:
    golden = Golden.load(file)
    own = golden.tensor("corr_f0").requires_grad_()
    others = golden.tensor("corr_f1")[None]
    side = own.shape[-1]
    np.testing.assert_allclose(unit_features(own.detach()), own.detach(), atol=1e-5)
    cosines = cell_cosines(own, others)
    np.testing.assert_allclose(cosines[0].detach(), golden.arrays["corr_Cu"], atol=1e-6)
    pairs = smoothed(cosines, side)
    np.testing.assert_allclose(pairs[0], golden.arrays["corr_C"], atol=1e-7)
    assert torch.equal(pairs.argmax(dim=-1).flatten(), golden.tensor("corr_assignment").long())
    loss = correspondence_loss(cosines, pairs)
    assert loss.item() == pytest.approx(float(golden.arrays["corr_loss"]), rel=1e-6)
    loss.sum().backward()
    expected = golden.arrays["corr_grad_f0"]
    assert own.grad is not None
    np.testing.assert_allclose(own.grad, expected, rtol=1e-3, atol=1e-4 * abs(expected).max())


@pytest.mark.parametrize("file", each(FILES))
def test_messages(file: Path) -> None:
    golden = Golden.load(file)
    cosines, pairs = golden.tensor("corr_Cu"), golden.tensor("corr_C")
    own, others = golden.tensor("corr_m0"), golden.tensor("corr_m1")
    side, mask_side = golden.arrays["corr_f0"].shape[-1], own.shape[-1]
    ways = transport(cosines, pairs)
    np.testing.assert_allclose(ways, golden.arrays["corr_T"], atol=1e-6)
    fine = enlarged(ways, side, mask_side)
    np.testing.assert_allclose(fine.sum(dim=2), golden.arrays["corr_super_row_sum"], rtol=1e-5)
    every = mask_side**2 // 7
    rows = golden.arrays["corr_super_rows"]
    np.testing.assert_allclose(fine[0, ::every][: len(rows)], rows, rtol=1e-4, atol=1e-7)
    background, foreground = messages(ways[None], own, others[None], side)[0]
    np.testing.assert_allclose(background, golden.arrays["corr_bg_message"], atol=1e-6)
    np.testing.assert_allclose(foreground, golden.arrays["corr_fg_message"], atol=1e-6)


@pytest.mark.parametrize("file", each(FILES))
def test_retrieval(file: Path) -> None:
    golden = Golden.load(file)
    stored = StoredObjects(
        golden.tensor("bank_features"),
        golden.tensor("bank_masks"),
        golden.tensor("bank_boxes"),
        torch.zeros(len(golden.arrays["bank_boxes"]), dtype=torch.int64),
    )
    new = StoredObjects(
        golden.tensor("corr_f0"),
        golden.tensor("corr_m0"),
        golden.tensor("bank_query_box"),
        torch.zeros(1, dtype=torch.int64),
    )
    filled = len(stored)
    for name, ours in {
        "fg_iou": soft_overlaps(new.masks, stored.masks),
        "bg_iou": soft_overlaps(1 - new.masks, 1 - stored.masks),
        "appearance": appearances(new, stored),
        "ratio": shape_ratios(new.boxes, stored.boxes),
    }.items():
        np.testing.assert_allclose(ours[0], golden.arrays[f"bank_{name}"][:filled], rtol=1e-5)
    limits = golden.meta["config"]["retrieval"]
    likeness = Likeness(limits["fg"], limits["bg"], limits["appearance"], tuple(limits["ratio"]))
    bank = ObjectBank(len(golden.arrays["bank_ratio"]), limits["max"], likeness)
    bank.objects = stored
    matched, found = bank.exchange(new, new, torch.zeros(1, dtype=torch.bool))
    sums = golden.arrays["bank_retrieved_features_sum"]
    assert len(matched) == (len(sums) == limits["max"])
    np.testing.assert_allclose(found.features.flatten(1).sum(dim=1), sums, rtol=1e-5)
