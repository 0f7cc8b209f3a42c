"""Optimisers and learning-rate schedules."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.solver import LRMultiplier
from detectron2.solver.lr_scheduler import WarmupParamScheduler
from fvcore.common.param_scheduler import MultiStepParamScheduler
from torch import nn

from boxseg.errors import InputError


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Trainable parameters; normalisations' and biases' without weight decay."""
    decayed, free = [], []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else free).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


def sgd(
    model: nn.Module, learning_rate: float, momentum: float = 0.9, weight_decay: float = 1e-4
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum; weight decay on every parameter, as published."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.SGD(trainable, learning_rate, momentum=momentum, weight_decay=weight_decay)


def adamw(
    model: nn.Module, learning_rate: float, weight_decay: float = 0.05
) -> torch.optim.Optimizer:
    """AdamW; weight decay on weights only."""
    return torch.optim.AdamW(parameter_groups(model, weight_decay), learning_rate, fused=True)


def step_schedule(
    optimizer: torch.optim.Optimizer,
    iterations: int,
    steps: Sequence[int],
    warmup_iterations: int,
    warmup_factor: float = 0.001,
    gamma: float = 0.1,
) -> LRMultiplier:
    """Linear warm-up, then a factor of `gamma` at each of `steps`.

    Raises:
        InputError: the steps do not rise within the schedule.
    """
    if list(steps) != sorted(set(steps)) or (steps and not 0 < steps[0] <= steps[-1] < iterations):
        raise InputError(
            f"the learning rate's steps {list(steps)} must rise within 1 to {iterations - 1}, "
            "the schedule's iterations."
        )
    multipliers = [gamma**k for k in range(len(steps) + 1)]
    decay = MultiStepParamScheduler(multipliers, milestones=list(steps), num_updates=iterations)
    warmup = WarmupParamScheduler(
        decay, warmup_factor, min(warmup_iterations / iterations, 1.0), "linear"
    )
    return LRMultiplier(optimizer, warmup, iterations)
