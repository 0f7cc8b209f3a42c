"""Two runs with one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest
import torch

from boxseg.engine.determinism import choose_algorithms, is_deterministic, seed_generators


@pytest.fixture(autouse=True)
def _settings_restored() -> Iterator[None]:
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    torch.backends.cudnn.benchmark = benchmark


def drawn(seed: int) -> list[float]:
    seed_generators(seed)
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]


def test_a_seed_decides_every_generator() -> None:
    assert drawn(5) == drawn(5)
    assert all(ours != theirs for ours, theirs in zip(drawn(5), drawn(6), strict=True))


@pytest.mark.parametrize(
    ("wanted", "on_cpu", "on_gpu"),
    [("auto", True, False), (True, True, True), (False, False, False)],
)
def test_what_auto_means(wanted: bool | Literal["auto"], on_cpu: bool, on_gpu: bool) -> None:
    assert is_deterministic(wanted, torch.device("cpu")) is on_cpu
    assert is_deterministic(wanted, torch.device("cuda:1")) is on_gpu


@pytest.mark.parametrize("deterministic", [True, False])
def test_algorithms_are_chosen(deterministic: bool) -> None:
    torch.use_deterministic_algorithms(not deterministic)
    torch.backends.cudnn.benchmark = True
    torch.utils.deterministic.fill_uninitialized_memory = True
    choose_algorithms(deterministic)
    assert torch.are_deterministic_algorithms_enabled() is deterministic
    assert not torch.backends.cudnn.benchmark
    assert not torch.utils.deterministic.fill_uninitialized_memory
