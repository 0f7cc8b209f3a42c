"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from boxseg.engine.solver import adamw, one_cycle_schedule, sgd, step_schedule
from boxseg.errors import InputError


def rates(iterations: int, steps: list[int], warmup: int, **other: float) -> list[float]:
    """The learning rate of every step, for a rate of 2."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 2.0)
    return followed(
        optimizer, step_schedule(optimizer, iterations, steps, warmup, **other), iterations
    )


def followed(optimizer: torch.optim.Optimizer, schedule: Any, iterations: int) -> list[float]:
    found = []
    for _ in range(iterations):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_step_schedule_by_hand() -> None:
    found = rates(100, [60, 80], warmup=10)
    # Warm-up: 2 * (0.001 + 0.999 * k / 10) at step k from 0.
    assert found[0] == pytest.approx(0.002)
    assert found[5] == pytest.approx(1.001)
    assert found[9] == pytest.approx(2 * (0.001 + 0.999 * 0.9))
    assert found[10:60] == pytest.approx([2.0] * 50)
    assert found[60:80] == pytest.approx([0.2] * 20)
    assert found[80:] == pytest.approx([0.02] * 20)


def test_factors_of_warm_up_and_decay() -> None:
    found = rates(10, [5], warmup=2, warmup_factor=0.5, gamma=0.25)
    assert found == pytest.approx([1.0, 1.5, 2, 2, 2, 0.5, 0.5, 0.5, 0.5, 0.5])


def test_no_steps_and_a_warm_up_as_long_as_the_schedule() -> None:
    assert rates(4, [], warmup=4) == pytest.approx([2 * (0.001 + 0.999 * k / 4) for k in range(4)])


def test_a_resumed_schedule_goes_on() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 2.0)
    schedule = step_schedule(optimizer, 10, [4, 8], 2)
    for _ in range(5):
        optimizer.step()
        schedule.step()
    kept = optimizer.state_dict(), schedule.state_dict()
    other = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 2.0)
    resumed = step_schedule(other, 10, [4, 8], 2)
    other.load_state_dict(kept[0])
    resumed.load_state_dict(kept[1])
    found = followed(other, resumed, 5)
    assert found == pytest.approx([0.2, 0.2, 0.2, 0.02, 0.02])


@pytest.mark.parametrize("steps", [[8, 4], [4, 4], [0, 4], [4, 10], [12]])
def test_steps_that_do_not_rise_within_the_schedule(steps: list[int]) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 2.0)
    with pytest.raises(InputError, match=r"must rise within 1 to 9"):
        step_schedule(optimizer, 10, steps, 1)


def test_one_cycle_by_hand() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 2.0)
    found = followed(optimizer, one_cycle_schedule(optimizer, 100, warmup_fraction=0.3), 100)
    # Up from 2 / 25 to 2 over 30 steps; then 2 * (1 + cos(pi * (k - 30) / 70)) / 2.
    assert found[0] == pytest.approx(0.08)
    assert found[15] == pytest.approx(1.04)
    assert found[30] == pytest.approx(2)
    assert found[65] == pytest.approx(1)
    assert found[99] == pytest.approx(1 + math.cos(math.pi * 69 / 70))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_a_cycle_needs_a_part_of_each_kind(fraction: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 2.0)
    with pytest.raises(InputError, match="is not between 0 and 1"):
        one_cycle_schedule(optimizer, 100, fraction)


class Network(nn.Module):
    """A pretrained part and a new one, as the segmenters have."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"bottom_up": nn.Conv2d(3, 4, 1), "lateral": nn.Linear(4, 4)})
        self.norm = nn.BatchNorm2d(4)
        self.queries = nn.Embedding(2, 4)
        self.frozen = nn.Parameter(torch.zeros(2, 2), requires_grad=False)


def test_adamw_s_rates_and_decays() -> None:
    model = Network()
    optimizer = adamw(model, 0.01, backbone_factor=0.1, weight_decay=0.05)
    settings = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    found = {name: settings.get(id(p)) for name, p in model.named_parameters()}
    assert found == {
        "frozen": None,
        "backbone.bottom_up.weight": (pytest.approx(0.001), 0.05),
        "backbone.bottom_up.bias": (pytest.approx(0.001), 0.0),
        "backbone.lateral.weight": (0.01, 0.05),
        "backbone.lateral.bias": (0.01, 0.0),
        "norm.weight": (0.01, 0.0),
        "norm.bias": (0.01, 0.0),
        "queries.weight": (0.01, 0.0),
    }


@pytest.mark.parametrize("of_norms", [0.0, 1e-3])
def test_sgd_decays_what_is_trained_and_normalisations_apart(of_norms: float) -> None:
    model = Network()
    optimizer = sgd(model, 0.01, momentum=0.8, weight_decay=1e-3, norm_weight_decay=of_norms)
    settings = {
        id(parameter): (group["lr"], group["momentum"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    decays = {n: settings.get(id(p), (0, 0, None))[2] for n, p in model.named_parameters()}
    assert {settings[id(p)][:2] for n, p in model.named_parameters() if n != "frozen"} == {
        (0.01, 0.8)
    }
    assert decays == {
        "frozen": None,
        "backbone.bottom_up.weight": 1e-3,
        "backbone.bottom_up.bias": 1e-3,
        "backbone.lateral.weight": 1e-3,
        "backbone.lateral.bias": 1e-3,
        "norm.weight": of_norms,
        "norm.bias": of_norms,
        "queries.weight": 1e-3,
    }
