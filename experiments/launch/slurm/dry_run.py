"""What `--launcher slurm --dry-run` prints: the batch script of every array, not submitted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.launch.runs import Run
from experiments.launch.sharing import find_shared
from experiments.launch.slurm.executor import ArrayExecutor
from experiments.launch.slurm.plan import max_array_size, resources_of
from experiments.launch.slurm.records import submissions_folder
from experiments.launch.slurm.submit import planned_for

NAME = "boxseg-NUMBER-TOKEN"
"""Stands for the name that a submission will have."""


def describe_arrays(runs: Sequence[Run], root: Path, max_parallel: int | None = None) -> str:
    """The scripts that `submit` would hand to sbatch now, each with the runs of its array.

    Raises:
        InputError: Slurm has to be asked about a run, and does not answer.
    """
    folder = submissions_folder(root, runs[0].scale).absolute() / NAME
    planned = planned_for(find_shared(runs).trained, root, max_array_size())
    after = None
    lines = []
    for array in planned.arrays:
        executor = ArrayExecutor(
            folder, NAME, resources_of(array[0]), len(array), max_parallel, after
        )
        lines += ["", f"Array of {len(array)}:"]
        lines += [f"  {index}: {run.name}" for index, run in enumerate(array)]
        lines += ["", executor.script().rstrip()]
        after = None if max_parallel is None else "THE_ARRAY_BEFORE"
    lines += ["", f"{len(planned.finished)} finished, {len(planned.live)} queued or at work"]
    lines += [f"{name}: {reason}" for name, reason in planned.refused.items()]
    return "\n".join(lines) + "\n"
