"""The smallest thing the trainer trains: least squares in one weight vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from boxseg.mask_losses import LossTerms

Batch = list[dict[str, Any]]


class Regression(nn.Module):
    """Mean squared error of w . x against y."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0]))
        self.steps: list[int] = []

    def before_step(self, iteration: int) -> None:
        self.steps.append(iteration)

    def forward(self, batch: Batch, iteration: int) -> LossTerms:
        x = torch.stack([sample["x"] for sample in batch])
        y = torch.stack([sample["y"] for sample in batch])
        errors = x @ self.weight - y
        losses = {"loss_square": (errors**2).mean(), **self.further_losses(iteration)}
        return LossTerms(losses, {"largest_error": errors.detach().abs().max()})

    def further_losses(self, iteration: int) -> dict[str, Tensor]:
        """None; tests of what goes wrong add one."""
        return {}


def samples(number: int, seed: int = 0) -> Batch:
    """Samples of y = 3 x0 + 4 x1."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(number, 2, generator=generator)
    return [{"x": row, "y": row @ torch.tensor([3.0, 4.0])} for row in x]


def batches(*sizes: int) -> Iterator[Batch]:
    """One stream of samples, cut into batches of these sizes."""
    stream: Sequence[dict[str, Any]] = samples(sum(sizes))
    start = 0
    for size in sizes:
        yield list(stream[start : start + size])
        start += size
