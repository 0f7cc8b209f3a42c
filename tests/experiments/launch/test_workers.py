"""Processes for tasks: what they print, and how they end."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from multiprocessing import forkserver

import psutil
import pytest

from boxseg.progress_display.display import DISPLAY
from experiments.launch.workers import Task, Worker, Workers
from tests.experiments.slurm_cluster import wait_until

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


def who_tells() -> str:
    """Whether bars count as seen, though this process has no terminal."""
    with DISPLAY.bar("a run", 600, "step") as bar:
        return "a bar" if bar.on_screen else "lines"


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


@pytest.mark.parametrize(("have_bars", "told"), [(True, "a bar"), (False, "lines")])
def test_progress_is_told_once(have_bars: bool, told: str) -> None:
    said: list[str] = []
    workers = Workers(1, said.append, have_bars)
    assert outcomes(workers, Task("a run", who_tells, (), 1)) == {"a run": told}
    assert said == []


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


def test_ctrl_c_while_one_begins_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    begun: list[tuple[int, int]] = []
    connect = forkserver.connect_to_new_process

    def interrupted(fds: object) -> tuple[int, int]:
        begun.append(connect(fds))
        if len(begun) == 2:  # the first one only tells that processes begin
            assert select.select([begun[-1][0]], [], [], 60)[0], "there is no process"
            signal.raise_signal(signal.SIGINT)  # before it is told what to do
        return begun[-1]

    def at_work() -> list[psutil.Process]:
        everyone = psutil.Process().children(recursive=True)
        return [one for one in everyone if one.ppid() != os.getpid()]  # forked by the server

    monkeypatch.setattr(forkserver, "connect_to_new_process", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    workers = Workers(1, lambda line: None)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(workers.work_off([Task("long", rest, (), 1)]))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(begun) == 2
    assert workers.busy == []
    wait_until(lambda: not at_work(), "its process ends", seconds=60)
    assert "Traceback" not in capfd.readouterr().err


def rest() -> None:
    """Work that would never end."""
    time.sleep(3600)
