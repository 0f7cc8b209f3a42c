"""Looking at a model in the middle of its training, which goes on as if nobody had looked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn

from boxseg.engine.checkpoint import random_states, restore_random_states


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put every module's mode and the global generators back as they were before the block.

    The modes are set one by one, as `train` of a module may do more, or less, than its parts had: a
    teacher in training mode, normalisation that is frozen.

    Args:
        model: may be put into evaluation mode in the block, and predict.
    """
    modes = [(module, module.training) for module in model.modules()]
    states = random_states()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        restore_random_states(states)
