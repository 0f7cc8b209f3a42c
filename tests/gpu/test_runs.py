"""Whole runs on a GPU: trained, killed and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.gpu

STEPS = 24


def started(run_dir: Path, *words: str) -> subprocess.Popen[str]:
    """A run of BoxSeg on the GPU, with a checkpoint every two steps."""
    common = ("method=boxseg", "scale=smoke", f"images.iterations_1x={STEPS}", "device=cuda")
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "train", *common, f"run_dir={run_dir}", *words],
        cwd=REPOSITORY,
        env=os.environ | {"BOXSEG_DATA": str(run_dir.parent / "datasets")},
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(run_dir: Path, *words: str) -> dict[str, Any]:
    """The result of a run that is gone on with to its end."""
    process = started(run_dir, *words)
    error = process.communicate(timeout=300)[1]
    assert process.returncode == 0, error
    result: dict[str, Any] = json.loads((run_dir / "result.json").read_text())
    return result


def losses(run_dir: Path) -> list[float]:
    """The whole loss of every step."""
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == list(range(1, STEPS + 1))
    return [json.loads(line)["total_loss"] for line in lines]


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    # As repeatable as a GPU can be: not every algorithm has a deterministic variant.
    words = ("deterministic=true", "workers=2")
    whole, run_dir = tmp_path / "whole", tmp_path / "run"
    environment = finished(whole, *words)["environment"]
    assert environment["deterministic"] is True
    process = started(run_dir, *words)
    deadline = time.monotonic() + 200
    while not (run_dir / "checkpoint.pt").exists():
        assert process.poll() is None, "the process ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (run_dir / "result.json").exists()
    finished(run_dir, *words)
    assert losses(run_dir) == pytest.approx(losses(whole), rel=0.02)


def test_what_a_run_records(tmp_path: Path) -> None:
    environment = finished(tmp_path / "run")["environment"]
    assert environment["device"] != "cpu"
    assert environment["deterministic"] is False
    assert environment["precision"] == "float32"
    assert environment["convolutions"] in ("tf32", "float32")  # by the GPU's age
