"""Processes whose batches use different parameters still train one model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d
from detectron2.utils import comm
from torch import nn

from boxseg.engine.replicas import whole_graph
from boxseg.engine.trainer import StepTrainer
from tests.condinst.tiny import box_supervised, empty_image, two_images
from tests.engine.ranks import in_ranks

SHOWN = ((True, False), (True, True), (False, False), (False, True), (True, True))
"""Whether there is an object on the first and on the second image of every step."""


def tiny() -> nn.Module:
    """A network without statistics of a batch, which differ by process."""
    torch.manual_seed(3)
    model: nn.Module = FrozenBatchNorm2d.convert_frozen_batchnorm(box_supervised())
    return model.train()


def weights_of(model: nn.Module) -> dict[str, np.ndarray]:
    """Arrays, which can be sent from a process that has ended."""
    return {name: p.detach().clone().numpy() for name, p in model.named_parameters()}


def trained(accumulate: int) -> dict[str, Any]:
    """Losses of every step, and the trained weights; the processes share the images of a step."""
    model = tiny()
    batches = []
    for step in SHOWN:
        images = [
            image if shown else empty_image(False)
            for image, shown in zip(two_images(False), step, strict=True)
        ]
        own = images[comm.get_rank() :: comm.get_world_size()]
        batches += [own] * accumulate
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    trainer = StepTrainer(model, optimizer, iter(batches), torch.float32, accumulate)
    losses = []
    for step in range(len(SHOWN)):
        trainer.train(step, step + 1)
        losses.append(trainer.scalars["total_loss"])
    return {"losses": losses, "weights": weights_of(model)}


def trained_both_ways() -> list[dict[str, Any]]:
    return [trained(1), trained(2)]


@pytest.mark.slow
def test_images_without_objects_train_as_in_one_process() -> None:
    start = weights_of(tiny())
    zero, one = in_ranks(trained_both_ways)
    for alone, first, second in zip(trained_both_ways(), zero, one, strict=True):
        assert first["losses"] == second["losses"]
        assert first["losses"] == pytest.approx(alone["losses"], abs=1e-5)
        for name, wanted in alone["weights"].items():
            np.testing.assert_array_equal(first["weights"][name], second["weights"][name])
            np.testing.assert_allclose(first["weights"][name], wanted, rtol=0, atol=1e-5)
        for name in ("controller.weight", "mask_branch.refine.0.0.weight"):
            assert not np.array_equal(alone["weights"][name], start[name])


def test_in_one_process_a_parameter_without_use_has_no_gradient() -> None:
    model = tiny()
    loss = torch.stack(list(model([empty_image(False)] * 2, 1).losses.values())).sum()
    assert whole_graph(loss, model) is loss
    loss.backward()
    assert model.get_parameter("mask_branch.refine.0.0.weight").grad is None
