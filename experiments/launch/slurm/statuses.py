"""How far each run is: by its files first, and where they cannot tell, by Slurm's word."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
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
    statuses = {table.name: read_statuses(runs, table, scale, seeds) for table in tables}
    folder = submissions_folder(runs, scale)
    attempts = newest_attempts(read_submissions(folder))
    submitted = {
        (table, key): attempt
        for table, of_table in statuses.items()
        for key, status in of_table.items()
        if (attempt := attempts.get(f"{table}/{key.row}/{key.column}/seed{key.seed}")) is not None
        and not _finished(status, attempt)
    }
    queue = ask(submissions_of(submitted.values()))
    for (table, key), attempt in submitted.items():
        statuses[table][key] = _with_log(
            told_by(queue, attempt, statuses[table][key]), adopted(attempt, queue), folder, runs
        )
    return statuses


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
    return _failed(f"job {name} ended as {_how(task)}", status)


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
        return _failed(f"job {attempt.task} was cancelled", status)
    reason = f"no one knows job {attempt.task} any more"
    return RunStatus(State.LOST, _with_way_on(reason, status), status.log)


def _failed(reason: str, status: RunStatus) -> RunStatus:
    return RunStatus(State.FAILED, _with_way_on(reason, status), status.log)


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
