"""How far each run is: by its files first, and where they cannot tell, by Slurm's word."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from experiments.launch.slurm.queue import ENDING, WAITING, Queue, Task, ask
from experiments.launch.slurm.records import (
    Attempt,
    Submission,
    newest_attempts,
    read_submissions,
    submissions_folder,
)
from reports.definition import TableDefinition
from reports.status import RunKey, RunStatus, State, last_lines, read_statuses

LIVE = frozenset((State.QUEUED, State.RUNNING, State.ELSEWHERE, State.UNKNOWN))
"""States of runs that wait or are at work, as far as is known: they are not submitted again."""


def statuses_of(
    runs: Path, tables: Sequence[TableDefinition], scale: str, seeds: Collection[int]
) -> dict[str, dict[RunKey, RunStatus]]:
    """Per table, the state of every run (see `reports.status.read_statuses`), Slurm's included.

    Slurm is asked once, and only if one of the runs was submitted to it and is not done.

    Raises:
        InputError: a record of what was submitted cannot be read.
    """
    of_tables = {table.name: read_statuses(runs, table, scale, seeds) for table in tables}
    by_name = {
        f"{table}/{key.row}/{key.column}/seed{key.seed}": status
        for table, statuses in of_tables.items()
        for key, status in statuses.items()
    }
    told = iter(with_slurm_s_word(runs, scale, by_name).values())
    return {table: dict(zip(statuses, told, strict=False)) for table, statuses in of_tables.items()}


def with_slurm_s_word(
    runs: Path, scale: str, statuses: Mapping[str, RunStatus]
) -> dict[str, RunStatus]:
    """What is known of some runs, given what their files tell.

    A run whose folder is a link to that of another one was submitted as that one.

    Args:
        runs: folder of the runs.
        scale: of them.
        statuses: per run's name, by its files.

    Raises:
        InputError: a record of what was submitted cannot be read.
    """
    folder = submissions_folder(runs, scale)
    attempts = newest_attempts(read_submissions(folder))
    told = dict(statuses)
    submitted = {
        name: attempt
        for name, status in statuses.items()
        if (attempt := attempts.get(_trained_as(runs / scale, name))) is not None
        and not _finished(status, attempt)
    }
    queue = ask(submissions_of(submitted.values()))
    for name, attempt in submitted.items():
        told[name] = _with_log(
            told_by(queue, attempt, told[name]), adopted(attempt, queue), folder, runs
        )
    return told


def _trained_as(folder: Path, name: str) -> str:
    """The name of the run in whose folder one lies."""
    if not (folder / name).is_symlink():
        return name
    lies = (folder / name).resolve()
    inside = lies.is_relative_to(folder.resolve())
    return lies.relative_to(folder.resolve()).as_posix() if inside else name


def submissions_of(attempts: Iterable[Attempt]) -> list[Submission]:
    """The submissions that some attempts are part of, each once."""
    return list({attempt.submission.name: attempt.submission for attempt in attempts}.values())


def adopted(attempt: Attempt, queue: Queue) -> Attempt:
    """The attempt with its job, should only the queue know it: its submitter died too early."""
    task = queue.task(attempt)
    if attempt.submission.job is not None or task is None:
        return attempt
    found = attempt.submission.model_copy(update={"job": task.id.split("_")[0]})
    return dataclasses.replace(attempt, submission=found)


def told_by(queue: Queue, attempt: Attempt, status: RunStatus) -> RunStatus:
    """What is known of a run that was submitted: its files' word, completed by Slurm's."""
    task, name = queue.task(attempt), adopted(attempt, queue).task
    if status.state is State.RUNNING or (task is None and status.state is State.ELSEWHERE):
        return status
    if task is None:
        return _unknown_to(queue, attempt, status)
    if task.state in WAITING:
        return RunStatus(State.QUEUED, f"job {name}: {task.reason}", status.log)
    if task.live:
        ending = "; Slurm is ending it" if task.state == ENDING else ""
        return RunStatus(State.RUNNING, f"job {name}{ending}", status.log)
    if status.state is State.ELSEWHERE and status.job != name:
        return status
    if status.state in (State.FAILED, State.DONE, State.REFUSED):
        return status
    if task.state == "CANCELLED":
        return _cancelled(name, status)
    return RunStatus(
        State.FAILED, _with_way_on(f"job {name} ended as {_how(task)}", status), status.log
    )


def _finished(status: RunStatus, attempt: Attempt) -> bool:
    """Whether the run is done with what was submitted, so that Slurm need not be asked."""
    return status.state is State.DONE and status.config_sha256 == attempt.config_sha256


def _unknown_to(queue: Queue, attempt: Attempt, status: RunStatus) -> RunStatus:
    if queue.silence is not None:
        reason = f"job {attempt.task}; Slurm does not answer ({queue.silence})"
        return RunStatus(State.UNKNOWN, reason, status.log)
    if attempt.submission.job is None:  # its submitter died before Slurm had it
        return status
    if status.state not in (State.INTERRUPTED, State.MISSING):
        return status
    if attempt.cancelled:
        return _cancelled(attempt.task, status)
    reason = f"no one knows job {attempt.task} any more"
    return RunStatus(State.LOST, _with_way_on(reason, status), status.log)


def _cancelled(job: str, status: RunStatus) -> RunStatus:
    """Somebody ended the job, which is no failure of the run."""
    return RunStatus(State.CANCELLED, _with_way_on(f"job {job} was cancelled", status), status.log)


def _with_way_on(reason: str, status: RunStatus) -> str:
    return f"{reason}; {status.reason}" if status.state is State.INTERRUPTED else reason


def _how(task: Task) -> str:
    """How a task ended, with its exit code where accounting tells it."""
    return f"{task.state} ({task.reason})" if ":" in task.reason else task.state


def _with_log(status: RunStatus, attempt: Attempt, folder: Path, runs: Path) -> RunStatus:
    """Name the job's own log, which also says what Slurm did; show its end if it ended badly."""
    log = attempt.log(folder)
    if status.state is State.DONE or not log.exists():
        return status
    tail = last_lines(log) if status.state in (State.FAILED, State.LOST) else ()
    return dataclasses.replace(status, log=log.relative_to(runs).as_posix(), tail=tail)
