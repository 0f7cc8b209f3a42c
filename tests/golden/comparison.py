"""Losses and gradients beside a golden file's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from tests.golden.files import Golden
from tests.golden.weights import published_name

# Of similarities exp(-d / 2) between colours. Two bits (1.2e-7) of x, y and z in a = 500 (x - y),
# b = 200 (y - z), L = 116 y - 16 move a colour by 1.3e-4 and the distance of two by twice that.
COLOR_SIMILARITY = 1.3e-4

# Of numbers that come out of a network, with another processor's convolutions (the golden files'
# README gives 5e-5 for soft masks).
SOFT_MAP = 5e-5


def assert_losses(golden: Golden, case: str, losses: Mapping[str, Tensor]) -> None:
    """All of a case's losses, under the published names."""
    ours = {name: loss.item() for name, loss in losses.items()}
    assert ours == pytest.approx(golden.losses(case), rel=1e-4)


def assert_gradients(
    golden: Golden, case: str, losses: Mapping[str, Tensor], model: nn.Module, prefix: str = ""
) -> None:
    """The norm of every parameter's gradient of the sum of the losses.

    Args:
        golden, case: what is compared with.
        losses: of the model.
        model: with our names; gradients have to be unset before.
        prefix: of the published names.
    """
    torch.stack(list(losses.values())).sum().backward()
    norms = {
        prefix + published_name(name): p.grad.norm().item()
        for name, p in model.named_parameters()
        if p.requires_grad and p.grad is not None
    }
    names, wanted = golden.meta["grad_names"][case], golden.arrays[f"{case}_gradnorm"].tolist()
    expected = dict(zip(names, wanted, strict=True))
    assert norms == pytest.approx(expected, rel=1e-3, abs=1e-4 * max(wanted))
