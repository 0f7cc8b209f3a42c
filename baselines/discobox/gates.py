"""When a term of the loss begins to count: a schedule, or the level of another loss."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from boxseg.engine.distributed import mean_over_ranks


class Gate(nn.Module, ABC):
    """Says in every training step whether a term counts."""

    @abstractmethod
    def forward(self, iteration: int, projection: Tensor) -> bool:
        """Whether it does.

        Args:
            iteration: 1 for the first.
            projection: this step's projection loss, a scalar.
        """


class ScheduledGate(Gate):
    """Open for good once so many iterations have passed, whatever the loss.

    How low a projection loss gets depends on the data and the resolution, so that a level that is
    right for one scale never opens, or is open from the start, at another; a share of the schedule
    means the same at all.

    Args:
        start_iterations: without the term.
    """

    def __init__(self, start_iterations: int) -> None:
        super().__init__()
        self.start_iterations = start_iterations

    def forward(self, iteration: int, projection: Tensor) -> bool:
        return iteration > self.start_iterations


class LevelGate(Gate):
    """Open while the running average of the projection loss is below a level (released code).

    The average is a buffer, so the checkpoint keeps it; it is that of all processes, and the
    released code's is each one's own.

    Args:
        level: 0.3 for self-training and 0.2 for correspondence in the released configurations.
        momentum: share of itself that the average keeps.
        initial: average before the first step.
    """

    average: Tensor

    def __init__(self, level: float, momentum: float = 0.9, initial: float = 2.0) -> None:
        super().__init__()
        self.level = level
        self.momentum = momentum
        self.register_buffer("average", torch.tensor(float(initial)))

    def forward(self, iteration: int, projection: Tensor) -> bool:
        self.average.lerp_(mean_over_ranks(projection.detach().float()), 1 - self.momentum)
        return bool(self.average < self.level)
