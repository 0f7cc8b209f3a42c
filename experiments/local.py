"""Running a table's runs in several processes of this machine."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import torch

from experiments.inline import run_one
from experiments.logs import set_up_logging
from experiments.run_data import dataset_of
from experiments.tables import Run

logger = logging.getLogger(__name__)


def run_locally(runs: Sequence[Run], jobs: int) -> dict[str, str]:
    """Run what is not finished yet, `jobs` runs at a time, the machine's threads divided.

    Args:
        runs: of one or more tables.
        jobs: processes.

    Returns:
        Per failed run, why it failed.
    """
    for run in {str(run.config().dataset): run for run in runs}.values():
        dataset_of(run.config())  # made once, before the processes would each make it
    threads = max(len(os.sched_getaffinity(0)) // jobs, 1)
    failures = {}
    with ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), _start_worker, (threads,)
    ) as pool:
        started: dict[Future[str | None], Run] = {pool.submit(run_one, run): run for run in runs}
        for number, future in enumerate(as_completed(started), start=1):
            run = started[future]
            try:
                reason = future.result()
            except BrokenProcessPool:
                reason = "its process was killed; the same command resumes it"
            if reason is None:
                logger.info("[%d/%d] %s done", number, len(runs), run.name)
            else:
                failures[run.name] = reason
    return failures


def _start_worker(threads: int) -> None:
    set_up_logging()
    torch.set_num_threads(threads)
