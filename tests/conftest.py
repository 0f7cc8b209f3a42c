"""What every test shares: repeatable numbers, no downloads, folders of data, a core per process."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

MAX_WORKERS = 8  # each takes up to 2 GB of memory

# Weights come from installed packages; a model library that tries to download has to fail at once.
os.environ["HF_HUB_OFFLINE"] = "1"

# One thread: the same sums on any number of cores, and workers that do not compete for them. The
# processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What mmdet formats its configurations with writes its grammar into the user's cache when it is
# imported first, and fails in a worker that reads it while another writes: this process is earlier.
if "PYTEST_XDIST_WORKER" not in os.environ and importlib.util.find_spec("yapf") is not None:
    importlib.import_module("yapf")

# Hypothesis draws the same examples every time, and slow machines are no failures.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: a worker for every usable core; on a single core none, but this process itself."""
    cores = len(os.sched_getaffinity(0))
    limits = Path("/sys/fs/cgroup/cpu.max")  # a container's share of the cores
    if limits.exists():
        share, period = limits.read_text().split()
        if share != "max":
            cores = min(cores, int(share) // int(period))
    return min(cores, MAX_WORKERS) if cores > 1 else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadscope`: one worker has a whole module, and one all modules that start a Slurm.

    Fixtures of a module train and generate, so that they are to be made once. Two Slurms would both
    count their jobs from 1, and steps of several processes find each other by the job's number.
    """
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return "slurm" if _starts_a_slurm(module) else module

    return ByModule(config, log)


@functools.cache
def _starts_a_slurm(module: str) -> bool:
    return "yield from started(" in (REPOSITORY / module).read_text(encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def _deterministic_torch() -> None:
    """A fixed number of threads, deterministic kernels, no cost for unwritten memory."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False


def _same_random_numbers() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> None:
    """What tests share is made from the same global random state, whichever test comes first."""
    if fixturedef.scope != "function":
        _same_random_numbers()


@pytest.fixture(autouse=True)
def _same_random_numbers_in_every_test() -> None:
    """Every test starts from the same global random state, in whatever order the tests run."""
    _same_random_numbers()


@pytest.fixture(autouse=True)
def _denormal_numbers_are_kept() -> Iterator[None]:
    """The test that leaves them as 0 fails, and no later one whose numbers are that small."""
    yield
    kept = sys.float_info.min / 2 > 0
    torch.set_flush_denormal(False)
    assert kept, "the test left the processor taking denormal numbers for 0"


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
