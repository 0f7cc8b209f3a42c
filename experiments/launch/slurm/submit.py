"""Submitting a table's runs: what is missing or failed, never what is queued or at work."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from boxseg.engine.lock import HeldError, locked
from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from experiments.configuration.extensions import in_use
from experiments.launch.runs import Run
from experiments.launch.sharing import share
from experiments.launch.slurm.executor import ArrayExecutor
from experiments.launch.slurm.plan import Plan, max_array_size, plan, resources_of
from experiments.launch.slurm.queue import ENDING, ask
from experiments.launch.slurm.records import (
    Submission,
    SubmittedRun,
    new_name,
    newest_attempts,
    read_submissions,
    submissions_folder,
)
from experiments.launch.slurm.statuses import LIVE, adopted, submissions_of, with_slurm_s_word
from experiments.launch.slurm.task import RunTask
from reports.status import RunStatus, State, read_status

logger = logging.getLogger(__name__)

LOCK_PATIENCE = 300.0
"""Seconds to wait for another `boxseg reproduce` to submit."""

ENDING_PATIENCE = 120.0
"""Seconds to wait for tasks that Slurm is ending: whether they queue again is then known."""


def submit(runs: Sequence[Run], root: Path, max_parallel: int | None = None) -> dict[str, str]:
    """Submit the runs that are neither finished nor queued nor at work, and return at once.

    Runs of one configuration are one task (see `experiments.launch.sharing`), whichever tables have
    been submitted.

    Args:
        runs: all of one scale; at least one.
        root: folder of the runs.
        max_parallel: tasks of this call at a time; several arrays then follow one another.

    Returns:
        Per run that could not be submitted, why.

    Raises:
        InputError: Slurm does not answer, or refuses what is asked for.
    """
    scale = runs[0].scale
    shared = share(runs)
    if (same := shared.text()) is not None:
        logger.info(same)
    folder = submissions_folder(root, scale).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / ".lock", LOCK_PATIENCE) as lock:
            _adopt_and_settle(folder, shared.trained)
            planned = planned_for(shared.trained, root, max_array_size())
            _submit_arrays(planned, folder, max_parallel, lock)
    except HeldError:
        raise InputError(
            f"another process has been submitting runs of {root}/{scale} for minutes; wait for it."
        ) from None
    parts = [f"{len(planned.finished)} finished"]
    for state in LIVE:
        count = sum(status.state is state for status in planned.live.values())
        parts += [f"{count} {state}"] if count else []
    logger.info("%s, %d submitted", ", ".join(parts), sum(map(len, planned.arrays)))
    return shared.failures(planned.refused)


def planned_for(runs: Sequence[Run], root: Path, array_size: int) -> Plan:
    """What would be submitted now.

    Raises:
        InputError: Slurm has to be asked about a run, and does not answer.
    """
    statuses = statuses_by_name(runs, root)
    silent = [status.reason for status in statuses.values() if status.state is State.UNKNOWN]
    if silent:
        raise InputError(
            f"{len(silent)} runs may be queued or at work, for instance {silent[0]}; wait until it "
            "does, on a machine that has Slurm's commands."
        )
    attempts = newest_attempts(read_submissions(submissions_folder(root, runs[0].scale)))
    return plan(runs, statuses, attempts, array_size)


def statuses_by_name(runs: Sequence[Run], root: Path) -> dict[str, RunStatus]:
    """What is known of each run, by its name."""
    by_files = {
        run.name: read_status(root, run.directory.relative_to(root).as_posix()) for run in runs
    }
    return with_slurm_s_word(root, runs[0].scale, by_files)


def _adopt_and_settle(folder: Path, runs: Sequence[Run]) -> None:
    """Record jobs whose submitter died too early to; wait for tasks that Slurm is ending."""
    attempts = newest_attempts(read_submissions(folder))
    wanted = [
        attempts[run.name]
        for run in runs
        if run.name in attempts and not RunDirectory(run.directory).result.exists()
    ]
    deadline = time.monotonic() + ENDING_PATIENCE
    said = False
    while True:
        queue = ask(submissions_of(wanted))
        tasks = [queue.task(attempt) for attempt in wanted]
        if time.monotonic() > deadline or not any(t and t.state == ENDING for t in tasks):
            break
        if not said:
            logger.info("waiting for tasks that Slurm is ending")
        said = True
        time.sleep(1.0)
    found = {one.submission.name: one.submission for one in (adopted(a, queue) for a in wanted)}
    for submission in submissions_of(wanted):
        if found[submission.name] != submission:
            found[submission.name].write(folder)


def _submit_arrays(planned: Plan, folder: Path, max_parallel: int | None, lock: int) -> None:
    if planned.arrays and shutil.which("sbatch") is None:
        raise InputError(
            "Slurm is not installed here (there is no sbatch); run this on the cluster's login "
            "node, or choose --launcher local."
        )
    job = None
    for array in planned.arrays:
        submission = Submission(
            name=new_name(read_submissions(folder)),
            submitted=datetime.now(UTC),
            runs=tuple(SubmittedRun(run=run.name, config_sha256=run.sha256) for run in array),
        )
        submission.write(folder)
        executor = ArrayExecutor(
            folder / submission.name,
            submission.name,
            resources_of(array[0]),
            len(array),
            max_parallel,
            job if max_parallel is not None else None,
        )
        job = executor.submit_runs([RunTask(run, in_use()) for run in array], lock)
        submission.model_copy(update={"job": job}).write(folder)
        logger.info("job %s: %d runs, logs in %s", job, len(array), folder / submission.name)
