"""Optimisers and learning-rate schedules."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.solver import LRMultiplier, get_default_optimizer_params
from detectron2.solver.lr_scheduler import WarmupParamScheduler
from fvcore.common.param_scheduler import CosineParamScheduler, MultiStepParamScheduler
from torch import nn

from boxseg.errors import InputError


def parameter_groups(
    model: nn.Module, learning_rate: float, backbone_factor: float, weight_decay: float
) -> list[dict[str, object]]:
    """Trainable parameters by learning rate and weight decay.

    The pretrained bottom-up network learns at `backbone_factor` times the rate; normalisations,
    biases and embeddings (of queries and of levels), which are no weights of a layer, have no
    weight decay.
    """
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = backbone_factor if ".bottom_up." in f".{name}" else 1.0
            decays = parameter.ndim > 1 and id(parameter) not in embeddings
            decay = weight_decay if decays else 0.0
            groups.setdefault((learning_rate * factor, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def sgd(
    model: nn.Module,
    learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    norm_weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum, as Detectron2 sets it up.

    Normalisations have a weight decay of their own, which is none in every published model. On a
    GPU all parameters are updated by one kernel; on a CPU that would round differently.
    """
    on_gpu = all(parameter.is_cuda for parameter in model.parameters())
    groups = get_default_optimizer_params(
        model, weight_decay=weight_decay, weight_decay_norm=norm_weight_decay
    )
    return torch.optim.SGD(
        groups, learning_rate, momentum=momentum, weight_decay=weight_decay, fused=on_gpu or None
    )


def adamw(
    model: nn.Module,
    learning_rate: float,
    backbone_factor: float = 1.0,
    weight_decay: float = 0.05,
) -> torch.optim.Optimizer:
    """AdamW on `parameter_groups`."""
    groups = parameter_groups(model, learning_rate, backbone_factor, weight_decay)
    return torch.optim.AdamW(groups, learning_rate, fused=True)


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


def one_cycle_schedule(
    optimizer: torch.optim.Optimizer, iterations: int, warmup_fraction: float = 0.3
) -> LRMultiplier:
    """Linear warm-up from a 25th over a fraction of the run, then half a cosine down to 0.

    Raises:
        InputError: the fraction is not between 0 and 1.
    """
    if not 0 < warmup_fraction < 1:
        raise InputError(f"warmup_fraction {warmup_fraction} is not between 0 and 1.")
    cycle = WarmupParamScheduler(
        CosineParamScheduler(1.0, 0.0), 0.04, warmup_fraction, "linear", rescale_interval=True
    )
    return LRMultiplier(optimizer, cycle, iterations)
