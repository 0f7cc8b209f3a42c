"""Ending what is queued or at work."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

from boxseg.engine.lock import HeldError, locked
from boxseg.errors import InputError
from experiments.launch.slurm.queue import ask
from experiments.launch.slurm.records import newest_attempts, read_submissions, submissions_folder
from experiments.launch.slurm.statuses import adopted, submissions_of

TASKS_AT_A_TIME = 500


def cancel(
    tables: Collection[str], scale: str, runs: Path, patience: float = 300.0
) -> dict[str, str]:
    """Cancel the waiting and running jobs of some tables.

    Args:
        tables: names.
        scale: of the runs.
        runs: folder of the runs.
        patience: seconds to wait for a `boxseg reproduce` that is submitting.

    Returns:
        Per run, its job.

    Raises:
        InputError: Slurm does not answer, or another process keeps submitting.
    """
    folder = submissions_folder(runs, scale)
    if not folder.is_dir():
        return {}
    try:
        with locked(folder / ".lock", patience):
            return _cancel(tables, folder)
    except HeldError:
        raise InputError(
            f"another process has been submitting runs of {runs}/{scale} for minutes; wait for it."
        ) from None


def _cancel(tables: Collection[str], folder: Path) -> dict[str, str]:
    attempts = {
        name: attempt
        for name, attempt in newest_attempts(read_submissions(folder)).items()
        if name.split("/")[0] in tables
    }
    queue = ask(submissions_of(attempts.values()))
    if queue.silence is not None:
        raise InputError(f"nothing is cancelled, since Slurm does not answer: {queue.silence}.")
    live = {
        name: adopted(attempt, queue)
        for name, attempt in attempts.items()
        if (task := queue.task(attempt)) is not None and task.live
    }
    # On record first: Slurm forgets tasks that are cancelled before they began.
    for submission in submissions_of(live.values()):
        ended = [a.index for a in live.values() if a.submission.name == submission.name]
        cancelled = tuple(sorted({*submission.cancelled, *ended}))
        submission.model_copy(update={"cancelled": cancelled}).write(folder)
    tasks = [attempt.task for attempt in live.values()]
    for first in range(0, len(tasks), TASKS_AT_A_TIME):
        command = ["scancel", *tasks[first : first + TASKS_AT_A_TIME]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise InputError(f"scancel failed: {' '.join(done.stderr.split()).rstrip('.')}.")
    return {name: attempt.task for name, attempt in live.items()}
