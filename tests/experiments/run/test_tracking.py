"""Runs as TensorBoard shows them, and what is said where a tracker is missing or fails."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from boxseg.engine.trackers import TensorBoard, TrackedRun
from experiments.run.tracking import Guarded
from tests.experiments.command_line import boxseg, losses, result, train, trained
from tests.experiments.conftest import LONG


def events(run_dir: Path) -> list[Path]:
    return list(run_dir.glob("events.out.tfevents.*"))


def test_tensorboard_shows_what_is_logged(finished: Path) -> None:
    read = EventAccumulator(str(finished))
    read.Reload()
    lines = losses(finished)
    names = {"total_loss": "losses/total_loss", "lr": "training/lr"}
    names |= {name: f"losses/{name}" for name in lines[0] if name.startswith("loss_")}
    for name, tag in names.items():
        shown = [(one.step, one.value) for one in read.Scalars(tag)]
        assert shown == [(line["iteration"], pytest.approx(line[name])) for line in lines]
    assert len(read.Scalars("training/seconds_per_iteration")) == 24
    (last,) = read.Scalars("result/bbox/AP")
    assert (last.step, last.value) == (24, pytest.approx(result(finished)["metrics"]["bbox/AP"]))
    assert len(events(finished)) == 1
    # No larger than what is in `metrics.jsonl`, about.
    assert events(finished)[0].stat().st_size < 2 * (finished / "metrics.jsonl").stat().st_size


def test_none_is_none(finished: Path, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "method=boxinst", "tracking=none")
    assert not events(run)
    for words in (("tracking=none",), ("evaluation_period=5",)):
        assert "is finished; nothing to train" in train(finished, *LONG, *words).err


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_what_is_not_installed_is_refused(name: str, tmp_path: Path) -> None:
    if find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    outcome = train(tmp_path / "run", "method=boxinst", f"tracking={name}")
    assert outcome.complaint == (
        f"tracking={name} needs the package {name}, which is not installed; run `pip install "
        f"'boxseg[{name}]'`, or set tracking=tensorboard or tracking=none."
    )
    assert not (tmp_path / "run").exists()
    words = ("reproduce", "table3", "--scale", "smoke", f"tracking={name}", "--runs", tmp_path)
    outcome = boxseg(*words)
    assert outcome.code == 2
    assert f"missing: tracking={name}: {name} is not installed; run `pip install" in outcome.err


def test_an_unknown_one_is_refused(tmp_path: Path) -> None:
    assert train(tmp_path, "tracking=paper").complaint == (
        "tracking 'paper' is not one of tensorboard, wandb, mlflow, none."
    )


def test_a_run_goes_on_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    outcome = train(tmp_path / "run", "method=boxinst")
    assert outcome.code == 0
    assert not events(tmp_path / "run")
    assert (
        "tensorboard is not installed, so that no events are written for it; `pip install "
        "tensorboard`, or tracking=none to do without\n"
    ) in outcome.err


def test_a_tracker_that_fails_ends_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tensorboard = TensorBoard(TrackedRun(tmp_path, "a run", 0, {}))
    guarded = Guarded(tensorboard)
    guarded.write(1, {"lr": 1.0})
    assert not caplog.records
    tensorboard.close()
    caplog.set_level(logging.WARNING)
    guarded.write(2, {"lr": 1.0})
    guarded.write(3, {"lr": 1.0})
    guarded.close()
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.startswith("tracking with tensorboard failed (")
    assert told.endswith("; the run goes on without it")
