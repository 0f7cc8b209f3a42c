"""Comparing the numbers of runs before and after a change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.same_numbers import differences


def run(folder: Path, name: str, ap: float, losses: list[float], seconds: float) -> None:
    (folder / name).mkdir(parents=True)
    result: dict[str, Any] = {"metrics": {"segm/AP": ap}, "calibration": None}
    (folder / name / "result.json").write_text(json.dumps(result))
    lines = [
        json.dumps({"iteration": step, "total_loss": loss, "seconds_per_iteration": seconds})
        for step, loss in enumerate(losses, start=1)
    ]
    (folder / name / "metrics.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("ap", "losses", "told"),
    [
        (30.0, [2.0, 1.0], []),
        (30.5, [2.0, 1.0], ["boxseg, result: segm/AP 30.0 -> 30.5"]),
        # The first step that differs is told: what follows differs because of it.
        (30.5, [2.0, 1.25], ["boxseg, step 2: total_loss 1.0 -> 1.25"]),
    ],
)
def test_times_may_differ_and_numbers_may_not(
    tmp_path: Path, ap: float, losses: list[float], told: list[str]
) -> None:
    run(tmp_path / "before", "boxseg", 30.0, [2.0, 1.0], seconds=0.1)
    run(tmp_path / "after", "boxseg", ap, losses, seconds=0.2)
    assert list(differences(tmp_path / "before", tmp_path / "after")) == told


def test_a_run_that_stopped_short_and_one_that_is_not_there_are_told(tmp_path: Path) -> None:
    run(tmp_path / "before", "a", 30.0, [2.0, 1.0], seconds=0.1)
    run(tmp_path / "before", "b", 30.0, [2.0], seconds=0.1)
    run(tmp_path / "after", "a", 30.0, [2.0], seconds=0.1)
    short, missing = differences(tmp_path / "before", tmp_path / "after")
    assert short.startswith("a, step 2: ")
    assert missing == f"b: not in {tmp_path / 'after'}"
