"""A teacher that is the exponential moving average (EMA) of its student."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

MovingAverage = Callable[[nn.Module, nn.Module, float], None]
"""Moves a teacher towards a student, keeping so much of itself: `update_ema` or one like it."""


def ema_momentum(iteration: int, maximum: float = 0.999) -> float:
    """Share of itself that a teacher keeps: min(maximum, 1 - 1 / (iteration + 1)).

    It starts at 0, a copy of the student, and until it reaches `maximum` the teacher is the plain
    mean of all students so far.

    Args:
        iteration: steps taken before, 0 for the first.
        maximum: in [0, 1].
    """
    return min(maximum, 1 - 1 / (iteration + 1))


@torch.no_grad()
def update_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Teacher = momentum x teacher + (1 - momentum) x student, parameters and buffers.

    Buffers are state like any other: a teacher that normalises by stored statistics needs those of
    its own weights, and the average of the students' is what there is of them. Buffers that are not
    floating-point, such as counters, have no average; they are copied.

    Args:
        teacher: changed in place.
        student: of the same architecture.
        momentum: in [0, 1].

    Raises:
        ValueError: the two do not have the same tensors.
    """
    update_ema_parameters(teacher, student, momentum)
    buffers = _pairs(teacher.buffers(), student.buffers())
    _move([pair for pair in buffers if pair[0].is_floating_point()], momentum)
    for ours, theirs in buffers:
        if not ours.is_floating_point():
            ours.copy_(theirs)


@torch.no_grad()
def update_ema_parameters(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """`update_ema` for parameters alone, as BoxTeacher's released code has it.

    The teacher's buffers stay as they are, also with momentum 0. The released teacher can do
    without, as it normalises by the statistics of the batch at hand.
    """
    _move(_pairs(teacher.parameters(), student.parameters()), momentum)


def _pairs(teacher: Iterable[Tensor], student: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    ours, theirs = list(teacher), list(student)
    if len(ours) != len(theirs):
        raise ValueError(f"teacher and student differ in their numbers: {len(ours)}, {len(theirs)}")
    for number, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
        if mine.shape != its.shape:
            shapes = f"{tuple(mine.shape)} and {tuple(its.shape)}"
            raise ValueError(f"teacher and student differ in tensor {number}: {shapes}")
    return list(zip(ours, theirs, strict=True))


def _move(pairs: list[tuple[Tensor, Tensor]], momentum: float) -> None:
    """Move all first tensors towards the second ones, in a few kernels for them all."""
    if pairs:
        ours, theirs = (list(tensors) for tensors in zip(*pairs, strict=True))
        torch._foreach_lerp_(ours, theirs, 1 - momentum)
