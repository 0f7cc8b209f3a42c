"""A job that is told to terminate: back to the queue, or waiting for the end, never a step more."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from experiments.launch.slurm import task
from tests.experiments.slurm_commands import Commands

BANNER = "this cluster is down for maintenance on Sunday"


@pytest.fixture
def preempted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The signals by which submitit would have been told to queue the job again."""
    heard: list[int] = []
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    before = signal.signal(signal.SIGUSR2, lambda number, frame: heard.append(number))
    yield heard
    signal.signal(signal.SIGUSR2, before)


def test_it_goes_back_to_the_queue(slurm_commands: Commands, preempted: list[int]) -> None:
    slurm_commands.says("squeue", BANNER, "RUNNING")
    task.leave(signal.SIGTERM, None)
    assert preempted == [signal.SIGUSR2]
    assert slurm_commands.calls == ["squeue --noheader --states=all --format=%T --jobs=77"]


@pytest.mark.parametrize("answer", ["COMPLETING", "CANCELLED", "REQUEUED", BANNER, None])
def test_it_waits_for_the_end(
    slurm_commands: Commands,
    preempted: list[int],
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
) -> None:
    if answer is not None:
        slurm_commands.says("squeue", answer)
    monkeypatch.setattr(task, "ENDING", 0.3)
    began = time.monotonic()
    task.leave(signal.SIGTERM, None)
    assert time.monotonic() - began >= 0.3
    assert preempted == []
