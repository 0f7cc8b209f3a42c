"""The moving average of a student."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from boxseg.ema import ema_momentum, update_ema, update_ema_parameters


def test_momentum_by_hand() -> None:
    # 1 - 1/1, 1 - 1/2, 1 - 1/4, 1 - 1/1000; then 1 - 1/2000 = 0.9995 is above the maximum.
    momenta = [ema_momentum(iteration) for iteration in (0, 1, 3, 999, 1999)]
    assert momenta == pytest.approx([0, 0.5, 0.75, 0.999, 0.999])
    assert ema_momentum(99, maximum=0.9) == 0.9


def layer(weight: float, mean: float, batches: int) -> nn.BatchNorm1d:
    normalisation = nn.BatchNorm1d(2)
    nn.init.constant_(normalisation.weight, weight)
    nn.init.constant_(normalisation.running_mean, mean)
    normalisation.num_batches_tracked.fill_(batches)
    return normalisation


def test_parameters_and_buffers_move_and_counters_are_copied() -> None:
    teacher, student = layer(1, 10, 3), layer(2, 20, 7)
    update_ema(teacher, student, 0.75)
    assert teacher.weight.tolist() == [1.25, 1.25]  # 0.75 x 1 + 0.25 x 2
    assert teacher.running_mean.tolist() == [12.5, 12.5]  # 0.75 x 10 + 0.25 x 20
    assert teacher.num_batches_tracked == 7
    assert student.weight.tolist() == [2, 2]
    assert student.running_mean.tolist() == [20, 20]


def test_parameters_alone() -> None:
    teacher, student = layer(1, 10, 3), layer(2, 20, 7)
    update_ema_parameters(teacher, student, 0.75)
    assert teacher.weight.tolist() == [1.25, 1.25]
    assert teacher.running_mean.tolist() == [10, 10]
    assert teacher.num_batches_tracked == 3


def test_momentum_zero_copies_the_student_exactly() -> None:
    teacher, student = (nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)) for _ in range(2))
    for tensor in student.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_()
    update_ema(teacher, student, ema_momentum(0))
    for ours, theirs in zip(
        teacher.state_dict().values(), student.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30))
def test_the_first_thousand_steps_are_a_plain_mean(weights: list[float]) -> None:
    teacher, student = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    for iteration, weight in enumerate(weights):
        nn.init.constant_(student.weight, weight)
        update_ema(teacher, student, ema_momentum(iteration))
    mean = sum(weights) / len(weights)
    assert teacher.weight.item() == pytest.approx(mean, rel=1e-4, abs=1e-3)


def test_equal_networks_stay_equal_and_of_their_type() -> None:
    mixed, twin = (nn.Sequential(nn.Linear(4, 4).half(), nn.Linear(4, 4)) for _ in range(2))
    twin.load_state_dict(mixed.state_dict())
    update_ema(twin, mixed, 0.9)
    for ours, theirs in zip(twin.parameters(), mixed.parameters(), strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


def test_no_gradient_is_recorded() -> None:
    teacher, student = nn.Linear(2, 2), nn.Linear(2, 2)
    update_ema(teacher, student, 0.5)
    assert teacher.weight.is_leaf
    assert teacher.weight.requires_grad
    assert teacher.weight.grad_fn is None


@pytest.mark.parametrize("student", [nn.Linear(2, 3), nn.Linear(2, 2, bias=False)])
def test_other_architectures_are_refused(student: nn.Module) -> None:
    teacher = nn.Linear(2, 2)
    before = teacher.weight.clone()
    with pytest.raises(ValueError, match="teacher and student differ in"):
        update_ema(teacher, student, 0.5)
    assert torch.equal(teacher.weight, before)
