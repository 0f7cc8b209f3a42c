"""Processes for tasks: what they print, and how they end."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from experiments.launch.workers import Task, Worker, Workers

pytestmark = pytest.mark.slow  # every process imports torch anew


def speak(name: str) -> None:
    """Lines in two halves each, as two processes that share a terminal would mix them up."""
    for number in range(200):
        for half in (f"{name} {number} ", f"{name} {number}\n"):
            sys.stderr.write(half)
            sys.stderr.flush()
            time.sleep(0.0005)
    os.write(1, f"{name} ends without a line break".encode())


def die() -> None:
    """As for want of memory."""
    os.write(2, b"last words")
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(reason: str) -> str:
    """Fail for a reason."""
    return reason


def outcomes(workers: Workers, *tasks: Task) -> dict[str, str | None]:
    return {worker.task.name: reason for worker, reason in workers.work_off(tasks)}


def test_lines_stay_whole() -> None:
    said: list[str] = []
    workers = Workers(2, said.append)
    tasks = (Task(name, speak, (name,), 1) for name in ("a", "b"))
    assert outcomes(workers, *tasks) == {"a": None, "b": None}
    for name in ("a", "b"):
        own = [line for line in said if line.startswith(name)]
        assert own == [f"{name} {n} {name} {n}" for n in range(200)] + [
            f"{name} ends without a line break"
        ]
    assert len(said) == 402


def test_how_each_ends() -> None:
    said: list[str] = []
    workers = Workers(1, said.append)
    tasks = (
        Task("dead", die, (), 1),
        Task("refused", refuse, ("no data",), 1),
        Task("odd", sys.exit, (3,), 1),
        Task("last", speak, ("a",), 1),
    )
    again = "; the same command resumes it"
    assert outcomes(workers, *tasks) == {
        "dead": f"its process was killed (SIGKILL){again}",
        "refused": "no data",
        "odd": f"its process ended (3){again}",
        "last": None,
    }
    assert "last words" in said


def test_leaving_ends_them() -> None:
    workers = Workers(2, lambda line: None)
    began: list[Worker] = []
    with pytest.raises(KeyboardInterrupt):
        for _ in workers.work_off([Task("short", refuse, ("no",), 1), Task("long", rest, (), 1)]):
            began += workers.busy
            raise KeyboardInterrupt
    assert workers.busy == []
    assert [worker.process.exitcode for worker in began] in ([-signal.SIGTERM], [])


def rest() -> None:
    """Work that would never end."""
    time.sleep(3600)
