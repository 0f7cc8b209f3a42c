"""What Slurm knows of our submissions: asked once for all of them, by their names."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from experiments.launch.slurm.records import Attempt, Submission

WAITING = frozenset(
    (
        "PENDING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESV_DEL_HOLD",
        "SPECIAL_EXIT",
        "REVOKED",
    )
)
ACTIVE = frozenset(
    (
        "RUNNING",
        "CONFIGURING",
        "COMPLETING",
        "SUSPENDED",
        "STOPPED",
        "SIGNALING",
        "STAGE_OUT",
        "RESIZING",
    )
)
ENDING = "COMPLETING"
"""Slurm is ending the task's processes; it may be over or about to be queued again."""

PATIENCE = 60.0
"""Seconds that Slurm has to answer."""


@dataclass(frozen=True)
class Task:
    """A task as Slurm sees it: `12_3`, a state in Slurm's words, why it waits or how it ended."""

    id: str
    state: str
    reason: str

    @property
    def live(self) -> bool:
        """Whether it waits or runs, so that its run must not be submitted again."""
        return self.state in WAITING or self.state in ACTIVE


@dataclass(frozen=True)
class Queue:
    """Slurm's answer.

    Attributes:
        tasks: by submission and index; the index is None for all others of an array.
        silence: why the queue could not be asked; a task that is not in `tasks` may then live.
    """

    tasks: dict[tuple[str, int | None], Task] = field(default_factory=dict)
    silence: str | None = None

    def task(self, attempt: Attempt) -> Task | None:
        """The attempt's task, unless nobody knows it (any more)."""
        name = attempt.submission.name
        return self.tasks.get((name, attempt.index)) or self.tasks.get((name, None))


def ask(submissions: Collection[Submission]) -> Queue:
    """Ask the accounting database and then the queue, whose word on living tasks counts.

    A cluster without accounting has only the queue, which forgets a task some minutes after its
    end (Slurm's MinJobAge).
    """
    if not submissions:
        return Queue()
    names = ",".join(submission.name for submission in submissions)
    since = min(submission.submitted for submission in submissions) - timedelta(days=1)
    tasks = {}
    try:
        ended = _lines(
            "sacct",
            "--noheader",
            "--allocations",
            "--parsable2",
            "--format=JobName,JobID,State,ExitCode",
            f"--name={names}",
            f"--starttime={since.astimezone():%Y-%m-%dT%H:%M:%S}",
        )
    except _SilentError:
        ended = []  # there is no accounting, or it does not answer
    # Accounting is late, and may keep a task that was lost as running; those that still wait stand
    # together there, as 12_[4-7].
    for name, index, task in _parsed([line for line in ended if "[" not in line]):
        if not task.live:
            tasks[name, index] = task
    try:
        queued = _lines(
            "squeue",
            "--noheader",
            "--array",
            "--states=all",
            "--format=%j|%i|%T|%r",
            f"--name={names}",
        )
        for name, index, task in _parsed(queued):
            if task.live or (name, index) not in tasks:
                tasks[name, index] = task
    except _SilentError as silence:
        return Queue(tasks, str(silence))
    return Queue(tasks)


class _SilentError(Exception):
    """A command of Slurm's gave no answer; the message says why."""


def _lines(*command: str) -> list[str]:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except FileNotFoundError:
        raise _SilentError(f"{command[0]} is not installed here") from None
    except subprocess.TimeoutExpired:
        raise _SilentError(f"{command[0]} gave no answer in {PATIENCE:.0f} seconds") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise _SilentError(f"{command[0]}: {said[-1]}")
    return done.stdout.splitlines()


def _parsed(lines: list[str]) -> Iterator[tuple[str, int | None, Task]]:
    """Lines of name, task, state and reason, separated by bars."""
    for line in lines:
        found = re.fullmatch(r"([^|]+)\|(\d+(?:_(\d+))?)\|(\w+)[^|]*\|(.*)", line)
        if found is None:
            raise _SilentError(f"its line {line!r} cannot be understood")
        name, task, index, state, reason = found.groups()
        yield name, None if index is None else int(index), Task(task, state, reason)
