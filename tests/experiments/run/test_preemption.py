"""A run that is told to end saves what it has done, and ends as one that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.experiments.command_line import trained
from tests.experiments.conftest import LONG
from tests.experiments.run.test_resume import assert_ended_like, step_of, wait_for

pytestmark = pytest.mark.slow  # imports torch anew


@pytest.mark.parametrize("warning", [signal.SIGUSR2, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_preempted_run(
    tmp_path: Path, data_dir: Path, finished: Path, warning: signal.Signals
) -> None:
    run_dir = tmp_path / "run"
    # Without a checkpoint of its own accord: what it goes on from is what it saved when told.
    words = ["scale=smoke", "threads=1", *LONG, f"run_dir={run_dir}", "checkpoint_period=1000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "train", *words],
        cwd=REPOSITORY,
        env=os.environ | {"BOXSEG_DATA": str(data_dir)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(run_dir / "metrics.jsonl", process)
        process.send_signal(warning)
        said = process.communicate(timeout=300)[1]
    finally:
        process.kill()
        process.wait()
    if warning == signal.SIGINT:
        assert process.returncode == 130
        assert said.endswith("boxseg: interrupted; the same command goes on from what was saved.\n")
    else:
        assert process.returncode == -warning
    step = step_of(run_dir)
    assert f"saving at step {step} because of {warning.name}" in said
    assert 1 <= step < 24
    assert_ended_like(trained(run_dir, *LONG), finished)
