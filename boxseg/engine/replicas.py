"""A model in each of several processes, trained as one."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from detectron2.utils import comm
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def replicated(model: nn.Module) -> nn.Module:
    """The model with gradients averaged over the processes after each backward pass.

    Buffers, such as statistics of normalisation, are the first process's before each forward pass.
    Backward passes have to start at what `whole_graph` gives.
    """
    if comm.get_world_size() == 1:
        return model
    return DistributedDataParallel(model, gradient_as_bucket_view=True)


def whole_graph(loss: Tensor, model: nn.Module) -> Tensor:
    """The loss, such that its backward pass arrives at every parameter of a replicated model.

    Processes average their gradients as soon as each has all of a part, and would wait for ever for
    that of a parameter that one of them does not use: without a positive, for one, there are no
    masks. Telling them to look for such parameters (`find_unused_parameters`) walks through the
    whole graph and waits for the device in every step. Here a parameter that is not used is reached
    by an edge that carries no gradient, for which the others' mean has zero.

    Args:
        loss: a scalar of the model's output.
        model: see `replicated`; where it is not replicated, the loss is returned as it is.
    """
    if not isinstance(model, DistributedDataParallel):
        return loss
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    reached: Tensor = _Reaching.apply(loss, *trained)
    return reached


class _Reaching(torch.autograd.Function):
    """Its first argument; the others are reached by the backward pass, with no gradient."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, *parameters: Tensor) -> Tensor:
        ctx.others = len(parameters)
        return loss.view_as(loss)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return (gradients[0], *[None] * ctx.others)


def gradients_kept_back(model: nn.Module, kept_back: bool) -> contextlib.AbstractContextManager:
    """Average no gradients inside the block, where further ones of the same step will follow."""
    if kept_back and isinstance(model, DistributedDataParallel):
        return model.no_sync()
    return contextlib.nullcontext()
