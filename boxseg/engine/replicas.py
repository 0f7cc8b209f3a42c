"""A model in each of several processes, trained as one."""

from __future__ import annotations

import contextlib

from detectron2.utils import comm
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def replicated(model: nn.Module) -> nn.Module:
    """The model with gradients averaged over the processes after each backward pass.

    Buffers, such as statistics of normalisation, are the first process's before each forward pass.
    Not every batch uses every parameter (an image may show no object), and which do may differ.
    """
    if comm.get_world_size() == 1:
        return model
    return DistributedDataParallel(model, find_unused_parameters=True, gradient_as_bucket_view=True)


def gradients_kept_back(model: nn.Module, kept_back: bool) -> contextlib.AbstractContextManager:
    """Average no gradients inside the block, where further ones of the same step will follow."""
    if kept_back and isinstance(model, DistributedDataParallel):
        return model.no_sync()
    return contextlib.nullcontext()
