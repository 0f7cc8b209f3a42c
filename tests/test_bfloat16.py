"""Mixed precision computes what float32 does, but for rounding: every method, on any device."""

from __future__ import annotations

import pytest
import torch

from tests.method_steps import METHODS, assert_alike, logged, model_and_batch

STEPS = 10


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_bfloat16_trains_as_float32_does(method: str) -> None:
    found = [
        logged(*model_and_batch(method, "smoke", 64), precision, STEPS, 3e-4)
        for precision in (torch.float32, torch.bfloat16)
    ]
    assert_alike(*found)


def test_the_comparison_is_between_different_arithmetic() -> None:
    exact, mixed = (
        logged(*model_and_batch("boxinst", "smoke", 64), precision)[0]
        for precision in (torch.float32, torch.bfloat16)
    )
    assert exact != mixed
    assert exact["total_loss"] == pytest.approx(mixed["total_loss"], rel=2e-3)
