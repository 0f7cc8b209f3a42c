"""What happens around training steps."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest
import torch
from detectron2.engine.hooks import LRScheduler

from boxseg.engine.hooks import Periodically, Progress, StepClock, StepMetrics, is_due
from boxseg.engine.solver import step_schedule
from boxseg.engine.step_log import StepLog
from boxseg.engine.trainer import StepTrainer
from tests.engine.regression import Regression, batches
from tests.terminal import terminal_as_stderr


def trainer(steps: int) -> StepTrainer:
    model = Regression()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return StepTrainer(model, optimizer, batches(*[2] * steps), torch.float32)


def lines(file: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def to(file: Path, period: int, clock: StepClock | None = None) -> StepMetrics:
    return StepMetrics([StepLog(file)], period, clock or StepClock())


def test_due_steps() -> None:
    assert [step for step in range(1, 8) if is_due(step, 3, 7)] == [3, 6, 7]
    assert [step for step in range(1, 8) if is_due(step, 100, 7)] == [7]


def test_a_line_every_few_steps_and_after_the_last(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    step = trainer(5)
    step.register_hooks([to(file, 2)])
    step.train(0, 5)
    found = lines(file)
    assert [line["iteration"] for line in found] == [2, 4, 5]
    assert set(found[0]) == {
        "iteration",
        "loss_square",
        "largest_error",
        "total_loss",
        "lr",
        "seconds_per_iteration",
    }
    assert found[-1]["total_loss"] == step.scalars["total_loss"]
    assert all(0 < line["seconds_per_iteration"] < 60 for line in found)


def test_a_line_has_the_learning_rate_of_its_step(tmp_path: Path) -> None:
    step = trainer(4)
    schedule = step_schedule(step.optimizer, 4, [2, 3], warmup_iterations=1)
    file = tmp_path / "metrics.jsonl"
    step.register_hooks([to(file, 1), LRScheduler(step.optimizer, schedule)])
    step.train(0, 4)
    # One warm-up step at a thousandth, then 0.1 and a tenth of it at each decay.
    rates = [line["lr"] for line in lines(file)]
    assert rates == pytest.approx([0.0001, 0.1, 0.01, 0.001])


def test_lines_are_appended(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    for first, last in ((0, 2), (2, 4)):
        step = trainer(4)
        step.register_hooks([to(file, 1)])
        step.train(first, last)
    assert [line["iteration"] for line in lines(file)] == [1, 2, 3, 4]


def test_what_is_done_between_steps_is_no_part_of_their_speed(tmp_path: Path) -> None:
    clock = StepClock()

    def look(iteration: int) -> None:
        with clock.stopped():
            time.sleep(0.2)

    step = trainer(4)
    step.register_hooks([to(tmp_path / "metrics.jsonl", 2, clock), Periodically(look, 1)])
    began = clock.now()
    step.train(0, 4)
    first, second = (line["seconds_per_iteration"] for line in lines(tmp_path / "metrics.jsonl"))
    assert clock.aside >= 0.8
    # The clock's own seconds hold all that the lines tell of.
    assert 2 * (first + second) <= clock.now() - began


def test_something_every_few_steps_and_after_the_last() -> None:
    saved: list[int] = []
    step = trainer(7)
    step.register_hooks([Periodically(saved.append, 3)])
    step.train(0, 7)
    assert saved == [3, 6, 7]


def test_progress_in_plain_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "boxseg")
    step = trainer(3)
    step.register_hooks([Progress("a run", seconds_between_lines=0)])
    step.train(1, 3)
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        "a run: step 2 of 3",
        "a run: step 3 of 3",
    ]
    caplog.clear()
    quiet = trainer(3)
    quiet.register_hooks([Progress("a run", seconds_between_lines=1000)])
    quiet.train(0, 3)
    assert not caplog.records


def test_progress_in_a_bar(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    terminal = terminal_as_stderr(monkeypatch)
    caplog.set_level(logging.INFO, "boxseg")
    step = trainer(9)
    seen: list[str] = []

    def look(number: int) -> None:
        (line,) = terminal.wait_for(lambda lines: f"step {number} of 9" in "".join(lines))
        assert line.startswith("a run ")
        assert line.endswith(f" loss {step.scalars['total_loss']:.3f}")
        seen.append(line)

    step.register_hooks([Progress("a run", seconds_between_lines=0), Periodically(look, 3)])
    step.train(5, 9)
    assert len(seen) == 2
    assert terminal.shown() == []
    assert not caplog.records
