"""What happens around training steps."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from detectron2.engine.hooks import LRScheduler

from boxseg.engine.hooks import Checkpointer, MetricsWriter, Progress, is_due
from boxseg.engine.solver import step_schedule
from boxseg.engine.trainer import StepTrainer
from tests.engine.regression import Regression, batches


def trainer(steps: int) -> StepTrainer:
    model = Regression()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return StepTrainer(model, optimizer, batches(*[2] * steps), torch.float32)


def lines(file: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_due_steps() -> None:
    assert [step for step in range(1, 8) if is_due(step, 3, 7)] == [3, 6, 7]
    assert [step for step in range(1, 8) if is_due(step, 100, 7)] == [7]


def test_a_line_every_few_steps_and_after_the_last(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    step = trainer(5)
    step.register_hooks([MetricsWriter(file, 2)])
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
    metrics = MetricsWriter(tmp_path / "metrics.jsonl", 1)
    step.register_hooks([metrics, LRScheduler(step.optimizer, schedule)])
    step.train(0, 4)
    # One warm-up step at a thousandth, then 0.1 and a tenth of it at each decay.
    rates = [line["lr"] for line in lines(metrics.file)]
    assert rates == pytest.approx([0.0001, 0.1, 0.01, 0.001])


def test_lines_are_appended(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    for first, last in ((0, 2), (2, 4)):
        step = trainer(4)
        step.register_hooks([MetricsWriter(file, 1)])
        step.train(first, last)
    assert [line["iteration"] for line in lines(file)] == [1, 2, 3, 4]


def test_forgetting_what_will_be_done_again(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    whole = "".join(f'{{"iteration": {n}, "total_loss": {n / 10}}}\n' for n in range(1, 6))
    file.write_text(whole + '{"iteration": 6, "total_lo')
    MetricsWriter.forget_after(file, 6)
    assert file.read_text() == whole  # only the torn line is gone
    MetricsWriter.forget_after(file, 3)
    assert file.read_text() == "".join(whole.splitlines(keepends=True)[:3])
    MetricsWriter.forget_after(file, 0)
    assert file.read_text() == ""


@pytest.mark.parametrize(
    "odd", ["", "null", "[1]", '"text"', "{}", '{"iteration": "2"}', '{"iteration": null}', "\0\0"]
)
def test_forgetting_lines_of_another_kind(tmp_path: Path, odd: str) -> None:
    file = tmp_path / "metrics.jsonl"
    good = '{"iteration": 1}\n'
    file.write_text(good + odd + "\n")
    MetricsWriter.forget_after(file, 5)
    assert file.read_text() == good


def test_forgetting_needs_no_file(tmp_path: Path) -> None:
    MetricsWriter.forget_after(tmp_path / "metrics.jsonl", 0)
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_every_few_steps_and_after_the_last() -> None:
    saved: list[int] = []
    step = trainer(7)
    step.register_hooks([Checkpointer(saved.append, 3)])
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
