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
import torch

from tests.conftest import REPOSITORY
from tests.experiments.command_line import Outcome, boxseg, losses, result
from tests.experiments.slurm_cluster import wait_until

pytestmark = pytest.mark.slow  # processes import torch anew

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


def test_idle_cores_are_shared(tmp_path: Path) -> None:
    outcome = reproduce(tmp_path / "runs", "--jobs", "4", "threads=null")
    assert outcome.code == 0, outcome.err
    threads = [
        result(file.parent)["environment"]["threads"] for file in tmp_path.rglob("result.json")
    ]
    assert len(threads) == 4
    assert sum(threads) == max(len(os.sched_getaffinity(0)), 4)


def at_work(run_dir: Path) -> int:
    """The process that works in a run's directory, as soon as there is one."""
    file = run_dir / "running.json"
    wait_until(file.exists, "a run is at work")
    return int(json.loads(file.read_text())["pid"])


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    words = ["--runs", str(tmp_path / "runs"), "--launcher", "local", "--jobs", "2"]
    command = [sys.executable, "-m", "experiments.cli", *WORDS, *words, "images.iterations_1x=16"]
    parent = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    rows = [tmp_path / "runs" / "smoke" / "table3" / row for row in ("baseline", "boxteacher")]
    longest = [row / "3x" / "seed0" for row in rows]
    workers = [at_work(run_dir) for run_dir in longest]
    parent.kill()
    parent.wait()
    for worker in workers:
        deadline = time.monotonic() + 600
        while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
            time.sleep(0.1)  # it ends its run first
        assert not Path(f"/proc/{worker}").exists()
    assert all((run_dir / "result.json").exists() for run_dir in longest)
    assert len(list(tmp_path.rglob("result.json"))) == 2  # and takes up no other


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_ends_the_launcher_in_order_lets_the_runs_save(
    tmp_path: Path, number: signal.Signals
) -> None:
    """No process outlives it, and nothing is lost."""
    words = ["--launcher", "local", "--jobs", "2", "images.iterations_1x=16"]
    own = ["checkpoint_period=1000", "--runs", str(tmp_path / "runs")]
    command = [sys.executable, "-m", "experiments.cli", *WORDS, *words, *own]
    launcher = subprocess.Popen(
        command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    rows = [tmp_path / "runs" / "smoke" / "table3" / row for row in ("baseline", "boxteacher")]
    longest = [row / "3x" / "seed0" for row in rows]
    workers = [at_work(run_dir) for run_dir in longest]
    for run_dir in longest:
        wait_until((run_dir / "metrics.jsonl").exists, "a step")
    if number == signal.SIGINT:
        os.killpg(launcher.pid, number)  # as a terminal does
    else:
        launcher.send_signal(number)
    said = launcher.communicate()[1]
    assert not [one for one in workers if Path(f"/proc/{one}").exists()]
    if number == signal.SIGINT:
        assert launcher.returncode == 130
        assert said.splitlines()[-1] == (
            "boxseg: interrupted; the same command goes on from what was saved."
        )
    else:
        assert launcher.returncode == -number
    assert "Traceback" not in said
    for run_dir in longest:
        saved = int(torch.load(run_dir / "checkpoint.pt", weights_only=True)["iteration"])
        steps = [line["iteration"] for line in losses(run_dir)]
        assert steps == list(range(1, saved + 1))
        assert f"saving at step {saved} because of" in (run_dir / "log.txt").read_text()
        assert not (run_dir / "failed.json").exists()


def test_a_second_control_c_ends_the_workers_at_once(tmp_path: Path) -> None:
    words = ["--launcher", "local", "--jobs", "1", "images.iterations_1x=100000"]
    command = [sys.executable, "-m", "experiments.cli", *WORDS, *words, "--runs", str(tmp_path)]
    launcher = subprocess.Popen(
        command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    worker = at_work(tmp_path / "smoke" / "table3" / "boxteacher" / "3x" / "seed0")
    os.kill(worker, signal.SIGSTOP)  # a step that takes for ever
    launcher.send_signal(signal.SIGINT)
    assert launcher.stderr is not None
    wait_until(lambda: "second Ctrl-C" in launcher.stderr.readline(), "the first is heeded")  # type: ignore[union-attr]
    launcher.send_signal(signal.SIGINT)
    said = launcher.communicate()[1]
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), "the worker is gone")
    assert launcher.returncode in (130, -signal.SIGINT), said  # shells see 130 in both


def test_it_speaks_before_it_imports(tmp_path: Path) -> None:
    words = ["--runs", str(tmp_path / "runs"), "--launcher", "local", "--jobs", "2"]
    command = [sys.executable, "-m", "experiments.cli", *WORDS, *words, "--out", str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as launcher:
        assert launcher.stderr is not None
        lines, first = [], {}
        for line in launcher.stderr:
            lines.append(line.rstrip("\n"))
            for kind in ("runs, ", "training data", "done ("):
                if kind in line and kind not in first:
                    first[kind] = len(lines) - 1
                    # What takes seconds is imported elsewhere, while this process can speak.
                    assert "libtorch" not in Path(f"/proc/{launcher.pid}/maps").read_text()
    assert launcher.returncode == 0
    assert lines[0] == "4 runs, 2 at a time"
    assert first["runs, "] < first["training data"] < first["done ("]
    ends = [line for line in lines if ": done (" in line]
    assert ends[-1].endswith(" (4 of 4 runs done)")
    assert len(ends) == 4
    assert "/3x/" in ends[0]


def test_what_runs_are_forked_from_has_not_touched_a_gpu() -> None:
    """Else no run could compute on one."""
    code = """
import torch

def spy(*_):
    raise AssertionError("asks for a GPU")

torch._C._cuda_getDeviceCount = torch._C._cuda_init = spy
import experiments.launch.preloaded
assert not torch.cuda.is_initialized()
"""
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
