"""Making two runs with one seed the same run."""

from __future__ import annotations

import os
import random
from typing import Literal

import numpy as np
import torch


def seed_of_rank(seed: int, rank: int) -> int:
    """A seed of its own for each process of a run; that of the first one is the run's."""
    if rank == 0:
        return seed
    return int(np.random.SeedSequence([seed, rank]).generate_state(1)[0])


def seed_generators(seed: int) -> None:
    """Seed every global generator."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def is_deterministic(wanted: bool | Literal["auto"], device: torch.device) -> bool:
    """Whether a run takes deterministic algorithms.

    Args:
        wanted: "auto" is yes on a CPU, where they cost nothing, and no on a GPU, where a step takes
            1.4 to 1.6 times as long with them.
        device: of the model.
    """
    return device.type == "cpu" if wanted == "auto" else wanted


def choose_algorithms(deterministic: bool) -> None:
    """Let PyTorch take deterministic algorithms, where there are any, or the fastest."""
    if deterministic:
        # cuBLAS is deterministic only with a fixed workspace, set before its first use.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    # PyTorch would write NaN into every new tensor besides, to make the reading of unwritten memory
    # reproducible. It costs 6 to 8% of a step at mini scale, and nothing here reads such memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False  # images have many sizes, each of which it would time
