"""What a job of Slurm's does: one run, again and again until it is finished."""

from __future__ import annotations

import os
from dataclasses import dataclass

from submitit.helpers import DelayedSubmission

from experiments.configuration.extensions import Extensions, use
from experiments.launch.runs import Run

PATIENCE = 600.0
"""Seconds to wait for an earlier job of the run to end; Slurm gives it KillWait (30) to do so."""


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
        if "SLURM_CPUS_PER_TASK" in os.environ:
            torch.set_num_threads(int(os.environ["SLURM_CPUS_PER_TASK"]))
        reason = run_one(self.run.configuration, self.run.cell, PATIENCE)
        if reason is not None:
            raise SystemExit(f"{self.run.name} failed: {reason}")

    def checkpoint(self) -> DelayedSubmission:
        """What to queue again: the same."""
        return DelayedSubmission(self)
