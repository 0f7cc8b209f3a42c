"""What a job of Slurm's does: one run, again and again until it is finished."""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import dataclass
from types import FrameType

from submitit.core.job_environment import JobEnvironment
from submitit.helpers import DelayedSubmission

from experiments.configuration.extensions import Extensions, use
from experiments.launch.runs import Run
from experiments.launch.slurm.queue import is_running

logger = logging.getLogger(__name__)

PATIENCE = 600.0
"""Seconds to wait for an earlier job of the run to end; Slurm gives it KillWait (30) to do so."""

ENDING = 300.0
"""Seconds that a process which Slurm is ending waits for that; KillWait is far less."""


@dataclass(frozen=True)
class RunTask:
    """A run as submitit's callable.

    It holds the definition of the run and nothing about its progress, which is in the run's
    directory: when Slurm preempts the job or its time is up, the trainer saves (see
    `boxseg.engine.signals`), submitit queues the same callable again, and it goes on from there.
    """

    run: Run
    extensions: Extensions

    def __call__(self) -> None:
        """Train and evaluate; exits with what is wrong if the run fails."""
        use(self.extensions)
        import torch

        from experiments.launch.inline import run_one
        from experiments.run.logs import set_up_logging

        set_up_logging()
        signal.signal(signal.SIGTERM, leave)
        if "SLURM_CPUS_PER_TASK" in os.environ:
            torch.set_num_threads(int(os.environ["SLURM_CPUS_PER_TASK"]))
        reason = run_one(self.run.configuration, self.run.cell, PATIENCE)
        if reason is not None:
            raise SystemExit(f"{self.run.name} failed: {reason}")

    def checkpoint(self) -> DelayedSubmission:
        """What to queue again: the same."""
        return DelayedSubmission(self)


def leave(number: int, frame: FrameType | None) -> None:
    """Heed SIGTERM, which Slurm sends before it kills, and which submitit disregards.

    The trainer has saved: what it did from now on would be lost. So it waits for its end where
    Slurm is ending the job. Elsewhere, in the time of grace of a preemption or because somebody
    sent the signal, the job goes back to the queue, as if it were told that its time is up.
    """
    if is_running(os.environ.get("SLURM_JOB_ID", "")):
        signal.raise_signal(signal.Signals[f"SIG{JobEnvironment.USR_SIG}"])
        return
    logger.info("told to terminate; waiting for Slurm to end this job")
    time.sleep(ENDING)
    logger.warning("not ended in %.0f minutes; going on", ENDING / 60)
