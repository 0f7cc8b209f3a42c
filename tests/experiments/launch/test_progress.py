"""How far runs at work are, once and again and again."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from boxseg.engine.run_directory import RunDirectory
from boxseg.engine.step_log import StepLog
from experiments.configuration.compose import compose
from experiments.launch.progress import duration, progress_text
from tests.conftest import REPOSITORY
from tests.experiments.command_line import boxseg
from tests.experiments.slurm_cluster import wait_until

WORDS = ("table3", "--scale", "smoke")


def at_work(directory: Path, *lines: dict[str, float]) -> Path:
    """A run of this process's, 4 steps long, that has logged some lines."""
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text(compose(["scale=smoke"]).as_yaml())
    logged = "".join(f"{json.dumps(line)}\n" for line in lines)
    (directory / "metrics.jsonl").write_text(logged + '{"iteration": 99, "tot')  # being written
    started = datetime.now(UTC).isoformat()
    content = {"pid": os.getpid(), "host": socket.gethostname(), "started": started}
    (directory / "running.json").write_text(json.dumps(content))
    return directory


def line(step: int) -> dict[str, float]:
    return {"iteration": step, "total_loss": 2.5, "seconds_per_iteration": 30.0, "lr": 0.1}


def test_the_last_step_that_was_logged(tmp_path: Path) -> None:
    directory = RunDirectory(at_work(tmp_path / "run", line(1), line(2)))
    assert progress_text(directory) == "step 2 of 4, loss 2.500, 30 s a step, 60 s left"
    directory.metrics.write_text(json.dumps(line(4)) + "\n")
    assert progress_text(directory) == "4 steps done, evaluating"
    directory.metrics.unlink()
    assert progress_text(directory) is None


def test_the_last_evaluation_and_the_time_that_others_will_take(tmp_path: Path) -> None:
    directory = RunDirectory(at_work(tmp_path / "run", line(2)))
    found = {"images": 50, "segm/AP": 31.24, "bbox/AP": 40.0, "seconds": 20.0}
    StepLog(directory.evaluations).write(1, found)
    text = "step 2 of 4, loss 2.500, mask AP 31.2 at step 1, 30 s a step, "
    assert progress_text(directory) == f"{text}60 s left"  # it looks no more
    directory.config.write_text(compose(["scale=smoke", "evaluation_period=1"]).as_yaml())
    assert progress_text(directory) == f"{text}2 min left"  # two steps, two evaluations
    StepLog(directory.evaluations).write(2, found | {"segm/AP": None})
    assert "box AP 40.0 at step 2" in str(progress_text(directory))


def test_status_of_a_run_outside_any_table(tmp_path: Path, finished: Path) -> None:
    run = at_work(tmp_path / "run", line(3))
    (run / "log.txt").touch()
    outcome = boxseg("status", run, finished)
    assert outcome.code == 0, outcome.err
    first, second = outcome.out.splitlines()
    assert re.fullmatch(
        rf"{run}: running; step 3 of 4, loss 2.500, 30 s a step, 30 s left; process .*; "
        rf"log: {run}/log.txt",
        first,
    )
    assert second == f"{finished}: done; log: {finished}/log.txt"
    (run / "running.json").unlink()
    (run / "checkpoint.pt").touch()
    ended = f"{run}: interrupted; resumes from its checkpoint; log: {run}/log.txt\n"
    assert boxseg("status", run, "--watch").out == ended
    assert boxseg("status", tmp_path).complaint.startswith(f"there is no table '{tmp_path}'")


def test_status_tells_it(tmp_path: Path) -> None:
    at_work(tmp_path / "smoke" / "table3" / "qam" / "1x" / "seed0", line(3))
    shown = boxseg("status", *WORDS, "--runs", tmp_path).out
    assert all(len(line) <= 80 for line in shown.splitlines())
    words = re.search(r"^qam +1x +0 +running +(.+)", shown, re.MULTILINE | re.DOTALL)
    assert words
    said = " ".join(words[1].split())
    assert said.startswith("step 3 of 4, loss 2.500, 30 s a step, 30 s left; process ")


def test_watching_ends_when_nothing_is_at_work(tmp_path: Path) -> None:
    outcome = boxseg("status", *WORDS, "--runs", tmp_path, "--watch")
    assert (outcome.code, outcome.out) == (0, "table3 (smoke): 8 not run\n")
    assert "--every 0 is not" in boxseg("status", "--watch", "--every", "0").complaint


def test_watching_looks_again(tmp_path: Path) -> None:
    run = at_work(tmp_path / "smoke" / "table3" / "qam" / "1x" / "seed0", line(1))
    command = [sys.executable, "-m", "experiments.cli", "status", *WORDS, "--runs", str(tmp_path)]
    with subprocess.Popen(
        [*command, "--watch", "--every", "0.1"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        seen: list[str] = []

        def shows(text: str) -> bool:
            seen.append(watching.stdout.readline())  # type: ignore[union-attr]
            return text in seen[-1]

        wait_until(lambda: shows("step 1 of 4"), "the first step")
        (run / "metrics.jsonl").write_text(json.dumps(line(2)) + "\n")
        wait_until(lambda: shows("step 2 of 4"), "the second step")
        (run / "running.json").unlink()
        wait_until(lambda: shows("8 not run"), "the end")
    assert watching.returncode == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3599, "1 h 0 min"),
        (12_000, "3 h 20 min"),
        (190_000, "2 d 4 h"),
    ],
)
def test_times_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
