"""What every test shares: repeatable numbers, no downloads, the folders of data to read."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

# Weights come from installed packages; a model library that tries to download has to fail at once.
os.environ["HF_HUB_OFFLINE"] = "1"

# Hypothesis draws the same examples every time, and slow machines are no failures.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def _deterministic_torch() -> None:
    """Two threads (or OMP_NUM_THREADS), deterministic kernels, no cost for unwritten memory."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Every test starts from the same global random state, in whatever order the tests run."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """The published implementations' numbers: BOXSEG_GOLDEN, or ../shared/golden/dev."""
    return _folder_or_skip("BOXSEG_GOLDEN", "golden/dev", "parity data")


@pytest.fixture(scope="session")
def test_data_dir() -> Path:
    """Real photographs with annotations: BOXSEG_TEST_DATA, or ../shared/data."""
    return _folder_or_skip("BOXSEG_TEST_DATA", "data", "real test images")


def _folder_or_skip(variable: str, default: str, what: str) -> Path:
    folder = Path(os.environ.get(variable) or REPOSITORY.parent / "shared" / default)
    if not folder.is_dir():
        pytest.skip(f"no {what} at {folder}; set {variable} to their folder")
    return folder.resolve()
