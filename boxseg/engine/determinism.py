"""Making two runs with one seed the same run."""

from __future__ import annotations

import os
import random

import numpy as np
import torch


def seed_of_rank(seed: int, rank: int) -> int:
    """A seed of its own for each process of a run; that of the first one is the run's."""
    if rank == 0:
        return seed
    return int(np.random.SeedSequence([seed, rank]).generate_state(1)[0])


def make_deterministic(seed: int) -> None:
    """Seed every global generator and ask for deterministic algorithms where there are any."""
    # cuBLAS is deterministic only with a fixed workspace, set before its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
