"""One training step on Detectron2's trainer: accumulation, clipping, and a guard against NaN."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from detectron2.engine.train_loop import TrainerBase
from torch import Tensor, nn

from boxseg.data.batches import on_device
from boxseg.engine.distributed import mean_by_name
from boxseg.engine.precision import autocast
from boxseg.engine.replicas import gradients_kept_back, replicated, whole_graph
from boxseg.mask_losses import LossTerms


class DivergedError(Exception):
    """A loss or the gradient became infinite or NaN; the message names which, and the step."""


class Trainable(Protocol):
    """What the trainer asks of a method."""

    device: torch.device

    def before_step(self, iteration: int) -> None:
        """Called once before each step, iterations counting from 1: EMA hooks in here."""
        ...

    def __call__(self, batch: Sequence[dict[str, Any]], iteration: int) -> LossTerms: ...


class StepTrainer(TrainerBase):
    """Trains a model that turns a batch and an iteration number into losses.

    Several processes average their gradients, so that each step is that of all their batches.

    Args:
        model: a `Trainable` module.
        optimizer: of its parameters.
        batches: yields `accumulate` batches per step.
        precision: that convolutions run in.
        accumulate: batches whose gradients are averaged into one step.
        clip_norm: largest norm of the whole gradient, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        batches: Iterator[list[dict[str, Any]]],
        precision: torch.dtype,
        accumulate: int = 1,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.replica = replicated(model)
        self.optimizer = optimizer
        self.batches = batches
        self.precision = precision
        self.accumulate = accumulate
        self.clip_norm = clip_norm
        self.scalars: dict[str, float] = {}

    def run_step(self) -> None:
        """One optimiser step; leaves the step's losses and diagnostics in `scalars`.

        Those are means over the processes, so that all of them stop where one diverges.

        Raises:
            DivergedError: a loss or the gradient is not finite; this step changes no parameter.
        """
        iteration = self.iter + 1
        self.model.before_step(iteration)  # type: ignore[operator]
        sums: dict[str, Tensor] = {}
        for number in range(1, self.accumulate + 1):
            batch = on_device(next(self.batches), self.model.device)  # type: ignore[arg-type]
            with gradients_kept_back(self.replica, number < self.accumulate):
                with autocast(self.precision, self.model.device):  # type: ignore[arg-type]
                    terms: LossTerms = self.replica(batch, iteration)
                total = torch.stack(list(terms.losses.values())).sum()
                logged = {**terms.losses, **terms.diagnostics, "total_loss": total}
                for name, value in logged.items():
                    sums[name] = sums.get(name, 0) + value.detach() / self.accumulate
                (whole_graph(total, self.replica) / self.accumulate).backward()
        norm = self._clipped_norm()
        # The one place in which a step waits for the device: what is queued after it may change
        # parameters.
        *values, norm_read = torch.stack([*(v.float() for v in sums.values()), norm]).tolist()
        self.scalars = mean_by_name(dict(zip(sums, values, strict=True)))
        for name, scalar in self.scalars.items():
            if name.startswith("loss"):
                _refuse_nonfinite(name, scalar, iteration)
        _refuse_nonfinite("the gradient's norm", norm_read, iteration)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _clipped_norm(self) -> Tensor:
        """The whole gradient's norm before it was clipped, if it is: a scalar on the device."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.clip_norm is None:
            gradients = [p.grad for p in parameters if p.grad is not None]
            return nn.utils.get_total_norm(gradients)
        return nn.utils.clip_grad_norm_(parameters, self.clip_norm)


def _refuse_nonfinite(name: str, value: float, iteration: int) -> None:
    if not math.isfinite(value):
        raise DivergedError(f"{name} became {value} at step {iteration}")
