"""Two runs with one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from boxseg.engine.determinism import make_deterministic


@pytest.fixture(autouse=True)
def _settings_restored() -> Iterator[None]:
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    torch.backends.cudnn.benchmark = benchmark


def drawn(seed: int) -> list[float]:
    make_deterministic(seed)
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]


def test_a_seed_decides_every_generator() -> None:
    assert drawn(5) == drawn(5)
    assert all(ours != theirs for ours, theirs in zip(drawn(5), drawn(6), strict=True))


def test_deterministic_algorithms_are_asked_for() -> None:
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = True
    make_deterministic(0)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
