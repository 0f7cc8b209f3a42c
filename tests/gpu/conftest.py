"""Skips tests of a GPU where there is none, and keeps their settings from other tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


def pytest_runtest_setup() -> None:
    """There is a GPU, or the test is skipped."""
    if not torch.cuda.is_available():
        pytest.skip("no GPU")


@pytest.fixture(autouse=True)
def _settings_restored() -> Iterator[None]:
    """Free algorithms, as runs have them on a GPU; not every one has a deterministic variant."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.cuda.empty_cache()


@pytest.fixture
def gpu() -> torch.device:
    """The first GPU."""
    return torch.device("cuda")


@pytest.fixture
def float32_only() -> None:
    """No TF32."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
