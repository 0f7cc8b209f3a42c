"""Several processes of this machine: one that dies takes only its own run with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.experiments.command_line import Outcome, boxseg, losses, result
from tests.experiments.slurm_cluster import wait_until

pytestmark = pytest.mark.slow  # every process imports torch anew

WORDS = ("reproduce", "table3", "--scale", "smoke", "--rows", "baseline", "boxteacher")


def reproduce(folder: Path, *words: str) -> Outcome:
    out = folder.parent / "out"
    return boxseg(*WORDS, "--runs", folder, "--out", out, "--launcher", "local", *words)


def kill_at_work(run_dir: Path) -> None:
    """Kill the process that works in a run's directory, after its first checkpoint."""
    wait_until((run_dir / "checkpoint.pt").exists, "a checkpoint")
    os.kill(json.loads((run_dir / "running.json").read_text())["pid"], signal.SIGKILL)


def test_a_killed_process_takes_only_its_own_run_with_it(tmp_path: Path) -> None:
    words = ("--jobs", "2", "images.iterations_1x=16")
    cells = tmp_path / "runs" / "smoke" / "table3"
    victim = cells / "baseline" / "3x" / "seed0"
    killer = threading.Thread(target=kill_at_work, args=(victim,))
    killer.start()
    first = reproduce(tmp_path / "runs", *words)
    killer.join()
    assert first.code == 1
    complaints = [line for line in first.err.splitlines() if line.startswith("boxseg: ")]
    assert complaints == [
        "boxseg: run table3/baseline/3x/seed0 failed: its process was killed (SIGKILL); the same "
        "command resumes it"
    ]
    others = sorted(file.parent for file in cells.rglob("result.json"))
    assert len(others) == 3
    before = {file: file.stat().st_mtime_ns for file in cells.rglob("result.json")}
    second = reproduce(tmp_path / "runs", *words)
    assert second.code == 0, second.err
    assert "3 of 4 runs are finished" in second.err
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert [line["iteration"] for line in losses(victim)] == list(range(1, 49))
    assert "resuming" in (victim / "log.txt").read_text()


def test_threads_are_divided(tmp_path: Path) -> None:
    outcome = reproduce(tmp_path / "runs", "--jobs", "64", "threads=null")
    assert outcome.code == 0, outcome.err
    for file in tmp_path.rglob("result.json"):
        assert result(file.parent)["environment"]["threads"] == 1


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    words = ["--runs", str(tmp_path / "runs"), "--launcher", "local", "--jobs", "2"]
    command = [sys.executable, "-m", "experiments.cli", *WORDS, *words, "images.iterations_1x=16"]
    parent = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    at_work = tmp_path / "runs" / "smoke" / "table3" / "baseline" / "3x" / "seed0" / "running.json"
    wait_until(at_work.exists, "a run is at work")
    worker = int(json.loads(at_work.read_text())["pid"])
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 600
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)  # it ends its run first
    assert not Path(f"/proc/{worker}").exists()
    assert (at_work.parent / "result.json").exists()
    assert len(list(tmp_path.rglob("result.json"))) == 2  # and takes up no other
