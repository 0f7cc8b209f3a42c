"""What Slurm knows of our submissions: asked once for all of them, by their names."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Iterable
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
OVER = frozenset(
    (
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "LAUNCH_FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "RECONFIG_FAIL",
        "TIMEOUT",
    )
)
"""States of tasks that are no more. Any other one, of a newer Slurm too, is that of a task at work:
to submit a run twice is worse than to wait for one."""

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
        return self.state not in OVER


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
    names = [submission.name for submission in submissions]
    since = min(submission.submitted for submission in submissions) - timedelta(days=1)
    tasks = {}
    try:
        ended = _lines(
            "sacct",
            "--noheader",
            "--allocations",
            "--parsable2",
            "--format=JobName,JobID,State,ExitCode",
            f"--name={','.join(names)}",
            f"--starttime={since.astimezone():%Y-%m-%dT%H:%M:%S}",
        )
    except _SilentError:
        ended = []  # there is no accounting, or it does not answer
    # Accounting is late, and may keep a task that was lost as running; those that still wait stand
    # together there, as 12_[4-7].
    for name, index, task in filter(None, (_task(line.strip(), names) for line in ended)):
        if not task.live:
            tasks[name, index] = task
    try:
        queued = _lines(
            "squeue",
            "--array",
            "--states=all",
            "--format=%j|%i|%T|%r",
            f"--name={','.join(names)}",
        )
        for name, index, task in _told(queued, names):
            if task.live or (name, index) not in tasks:
                tasks[name, index] = task
    except _SilentError as silence:
        return Queue(tasks, str(silence))
    return Queue(tasks)


def is_running(job: str) -> bool:
    """Whether a job is at work and Slurm is not ending it; False where Slurm gives no answer.

    Args:
        job: its number, a task's own one (SLURM_JOB_ID).
    """
    try:
        lines = _lines("squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}")
    except _SilentError:
        return False
    return "RUNNING" in map(str.strip, lines)


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


Told = tuple[str, int | None, Task]
"""A submission, the index in its array (None for all that are left), and the task."""


def _told(lines: Iterable[str], names: Collection[str]) -> list[Told]:
    """What the queue says of our tasks, whatever greeting or warning a site prints around it.

    Raises:
        _SilentError: it says nothing that can be understood, or of one of our tasks something that
            cannot: the task may live.
    """
    said = [line.strip() for line in lines if line.strip()]
    tasks = {line: _task(line, names) for line in said}
    odd = [line for line, task in tasks.items() if task is None and not _HEAD.fullmatch(line)]
    garbled = [line for line in odd if line.startswith(tuple(names))]
    if len(odd) == len(tasks):  # not even the head of the table
        garbled = odd
    if garbled:
        raise _SilentError(f"its line {garbled[0]!r} cannot be understood")
    return [task for task in tasks.values() if task is not None]


_HEAD = re.compile(r"NAME\|JOBID\|STATE\|REASON")
_LINE = re.compile(r"([^|]+)\|(\d+(?:_(\d+))?)\|(\w+)[^|]*\|(.*)")


def _task(line: str, names: Collection[str]) -> Told | None:
    """A line of name, task, state and reason, separated by bars, if it is of our submissions."""
    found = _LINE.fullmatch(line)
    if found is None or found[1] not in names:
        return None
    name, task, index, state, reason = found.groups()
    return name, None if index is None else int(index), Task(task, state, reason)
