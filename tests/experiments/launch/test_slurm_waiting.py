"""Waiting for what Slurm has: each run at work has its bar, and the end is told."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from experiments.launch.runs import Run, expand
from experiments.launch.slurm.waiting import wait_for
from experiments.launch.tables import definitions
from tests.experiments.launch.test_slurm_statuses import NAME, submitted
from tests.experiments.slurm_cluster import wait_until
from tests.experiments.slurm_commands import Commands
from tests.terminal import terminal_as_stderr

RUNS = ("table3/qam/1x/seed0", "table3/qam-pc/1x/seed0")


@pytest.fixture
def runs(tmp_path: Path, slurm_commands: Commands) -> list[Run]:
    """One at work, three steps done, and one in the queue."""
    submitted(tmp_path, *RUNS)
    slurm_commands.says("squeue", f"{NAME}|12_0|RUNNING|None", f"{NAME}|12_1|PENDING|Resources")
    table = expand(definitions(["table3"])[0], "smoke", 1, tmp_path)
    chosen = [run for run in table if run.name in RUNS]
    first = chosen[0].directory
    first.mkdir(parents=True)
    started = datetime.now(UTC).isoformat()
    at_work = {"pid": 1, "host": "node7", "started": started, "job": "12_0"}
    (first / "running.json").write_text(json.dumps(at_work))
    line = {"iteration": 3, "total_loss": 1.25, "seconds_per_iteration": 2.0}
    (first / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    return chosen


@contextlib.contextmanager
def waiting(runs: list[Run], root: Path, commands: Commands) -> Iterator[Future[dict[str, str]]]:
    """In another thread, at whose end all is cancelled."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(wait_for, runs, root, 0.1)
        try:
            yield future
        finally:
            commands.says("squeue", *(f"{NAME}|12_{task}|CANCELLED|None" for task in (0, 1)))


def test_on_a_terminal_a_bar_for_what_is_at_work(
    runs: list[Run], tmp_path: Path, slurm_commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = terminal_as_stderr(monkeypatch, columns=100)
    with waiting(runs, tmp_path, slurm_commands) as future:
        lines = terminal.wait_for(lambda lines: "loss 1.250" in "".join(lines), 60)
        bar, on_all = lines
        assert bar.split()[0] == RUNS[0]
        assert f" step 3 of {runs[0].of_cell.solver.iterations} " in bar
        assert on_all == "1 queued, 1 running"
    why = future.result()
    assert set(why) == set(RUNS)
    assert all("was cancelled" in reason for reason in why.values())
    assert terminal.wait_for(lambda lines: not lines, 60) == []


def test_elsewhere_a_line_when_their_number_changes(
    runs: list[Run], tmp_path: Path, slurm_commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with waiting(runs, tmp_path, slurm_commands):
        wait_until(stream.getvalue, "the first line", 60)
        slurm_commands.says(
            "squeue", f"{NAME}|12_0|CANCELLED|None", f"{NAME}|12_1|PENDING|Resources"
        )
        wait_until(lambda: len(stream.getvalue().splitlines()) == 2, "the second line", 60)
    assert stream.getvalue().splitlines() == [
        "waiting for 2 runs (1 queued, 1 running)",
        "waiting for 1 runs (1 queued, 1 cancelled)",
    ]
