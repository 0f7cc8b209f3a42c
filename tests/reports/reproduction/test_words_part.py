from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.definition import CellRef
from reports.reproduction.statement import fill, number
from reports.reproduction.statements import Difference, OneRun, Statement
from reports.results import read_results

QAM_OVER_BASELINE = Difference(
    scale="mini",
    table="table3",
    minuend=CellRef(row="qam", column="1x"),
    subtrahend=CellRef(row="baseline", column="1x"),
)


@pytest.fixture
def three_seeds(put_result: Callable[..., Path]) -> None:
    for seed, difference in enumerate((1.2, 1.1, 1.0)):
        put_result(row="baseline", seed=seed, metrics={"segm/AP": 36.0 - seed})
        put_result(row="qam", seed=seed, metrics={"segm/AP": 36.0 - seed + difference})


def test_a_difference_is_paired_by_seed(three_seeds: None, runs: Path) -> None:
    # Mean 1.1; sd 0.1, so half of the interval is 4.303 x 0.1 / sqrt(3) = 0.248.
    text = number(QAM_OVER_BASELINE, read_results(runs).frame)
    assert text == "+1.10 [0.85, 1.35] segm/AP, n=3 (mini, table3)"


def test_one_seed_has_no_interval(put_result: Callable[..., Path], runs: Path) -> None:
    put_result(row="baseline", seed=4, metrics={"segm/AP": 36.0})
    put_result(row="qam", seed=4, metrics={"segm/AP": 35.5})
    put_result(row="qam", seed=5, metrics={"segm/AP": 99.0})
    text = number(QAM_OVER_BASELINE, read_results(runs).frame)
    assert text == "-0.50 segm/AP, n=1 (mini, table3)"


def test_a_number_is_filled_in_from_its_run(three_seeds: None, runs: Path) -> None:
    statement = Statement(
        text="It went from {before} to {after}.",
        numbers={
            "before": OneRun(run="mini/table3/baseline/1x/seed1", metric="segm/AP"),
            "after": OneRun(run="mini/table3/qam/1x/seed1", metric="segm/AP"),
        },
    )
    assert fill(statement, read_results(runs).frame) == "It went from 35.0 to 36.1."


def test_without_a_record_there_is_no_number(runs: Path, put_result: Callable[..., Path]) -> None:
    put_result(row="qam", metrics={"segm/AP": None})
    frame = read_results(runs).frame
    assert number(QAM_OVER_BASELINE, frame) == "unmeasured"
    for run in ("mini/table3/qam/1x/seed0", "mini/table3/none/1x/seed0"):
        assert number(OneRun(run=run, metric="segm/AP"), frame) == "unmeasured"
