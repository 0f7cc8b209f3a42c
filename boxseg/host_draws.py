"""Random draws that are numbers of the host from the start.

The numbers are those of `torch.rand`, `torch.randint`, `torch.randperm` and `torch.multinomial`, so
that generators and their states are torch's. They are drawn into NumPy's memory: to ask a tensor
for its value is what a training step avoids, even where the tensor is on the CPU.
"""

from __future__ import annotations

import numpy as np
import torch


def draw_uniform(
    count: int, generator: torch.Generator, lowest: float = 0.0, highest: float = 1.0
) -> np.ndarray:
    """Numbers from `lowest` to below `highest`, drawn uniformly: float32 (count,)."""
    drawn = np.empty(count, dtype=np.float32)
    torch.from_numpy(drawn).uniform_(lowest, highest, generator=generator)
    return drawn


def draw_index(count: int, generator: torch.Generator) -> int:
    """An index below `count`, drawn uniformly."""
    drawn = np.empty(1, dtype=np.int64)
    torch.from_numpy(drawn).random_(0, count, generator=generator)
    return int(drawn[0])


def draw_order(count: int, generator: torch.Generator) -> list[int]:
    """The numbers below `count` in a random order."""
    drawn = np.empty(count, dtype=np.int64)
    torch.randperm(count, generator=generator, out=torch.from_numpy(drawn))
    return [int(place) for place in drawn]


def draw_weighted(weights: torch.Tensor, count: int, generator: torch.Generator) -> list[int]:
    """Different places of the weights, drawn with probabilities in proportion to them.

    Args:
        weights: (n,), on the CPU, not negative.
        count: at most as many as there are weights above 0.
        generator: on the CPU.
    """
    drawn = np.empty(count, dtype=np.int64)
    torch.multinomial(weights, count, generator=generator, out=torch.from_numpy(drawn))
    return [int(place) for place in drawn]
