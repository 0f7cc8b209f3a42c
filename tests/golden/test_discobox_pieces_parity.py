"""Parity of DiscoBox's parts with the released code's: mean field, losses, correspondence, bank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.discobox.losses import projection_loss, self_training_loss
from baselines.discobox.mean_field import BinaryMeanField
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
