"""The published numbers of CondInst and BoxInst (golden cases 1 and 2), computed on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from boxseg.data.batches import on_device
from tests.golden.comparison import assert_gradients, assert_losses
from tests.golden.test_parity import BOXINST, CASES, CONDINST, model_and_inputs, needs

pytestmark = [pytest.mark.gpu, needs(CONDINST, BOXINST)]


@pytest.mark.usefixtures("float32_only")
@pytest.mark.parametrize(("file", "case"), CASES)
def test_losses_and_gradients(file: Path, case: str, gpu: torch.device) -> None:
    golden, model, inputs, iteration = model_and_inputs(file, case)
    model.to(gpu).train()
    losses = model(on_device(inputs, gpu), iteration).losses
    assert all(loss.device.type == "cuda" for loss in losses.values())
    assert_losses(golden, case, losses)
    assert_gradients(golden, case, losses, model)
