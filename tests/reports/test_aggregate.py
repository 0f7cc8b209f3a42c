from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reports.definition import TableDefinition
from reports.status import RunKey, RunStatus, State
from reports.table import Absence


def test_one_seed_gives_its_value_without_a_spread(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result()
    cell = build(table3).cell("baseline", "1x", "segm/AP")
    assert (cell.mean, cell.sd, cell.n, cell.absence) == (36.8, None, 1, None)
    assert cell.runs == ("mini/table3/baseline/1x/seed0",)
    assert (cell.interval, cell.bootstrap) == (None, None)
    assert cell.paper.value == 31.0


def test_several_seeds_give_mean_and_sample_sd(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    for seed, value in enumerate((36.0, 37.0, 41.0)):
        put_result(seed=seed, metrics={"segm/AP": value})
    cell = build(table3).cell("baseline", "1x", "segm/AP")
    # Mean (36 + 37 + 41) / 3 = 38; squares (4 + 1 + 9) / (3 - 1) = 7.
    assert cell.mean == pytest.approx(38.0, abs=1e-12)
    assert cell.sd == pytest.approx(math.sqrt(7.0), abs=1e-12)
    assert cell.values == (36.0, 37.0, 41.0)
    # 4.302653 * sqrt(7 / 3) = 6.572411
    half = 6.572411
    interval = (cell.interval.low, cell.interval.high)
    assert interval == pytest.approx((38 - half, 38 + half), abs=1e-5)
    assert 36.0 <= cell.bootstrap.low < cell.bootstrap.high <= 41.0
    assert cell.n == 3
    assert cell.runs == tuple(f"mini/table3/baseline/1x/seed{seed}" for seed in range(3))


def test_a_changed_result_changes_its_cell_alone(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result()
    put_result(column="3x")
    before = build(table3)
    put_result(metrics={"segm/AP": 20.0})
    after = build(table3)
    changed = [old.column for old, new in zip(before.cells, after.cells, strict=True) if old != new]
    assert changed == ["1x"]
    assert after.cell("baseline", "1x", "segm/AP").mean == 20.0


def test_scales_and_tables_are_never_mixed(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(metrics={"segm/AP": 30.0})
    put_result(scale="smoke", metrics={"segm/AP": 1.0})
    put_result(scale="paper", dataset="coco", metrics={"segm/AP": 31.5})
    put_result(table="table4", metrics={"segm/AP": 99.0})
    for scale, value in (("mini", 30.0), ("smoke", 1.0), ("paper", 31.5)):
        cell = build(table3, scale).cell("baseline", "1x", "segm/AP")
        assert (cell.mean, cell.n) == (value, 1)


def test_difference_to_the_paper_at_paper_scale_only(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(dataset="coco", metrics={"segm/AP": 31.5})
    put_result(scale="paper", dataset="coco", metrics={"segm/AP": 31.5})
    assert build(table3).cell("baseline", "1x", "segm/AP").difference is None
    # 31.5 - 31.0 = 0.5
    assert build(table3, "paper").cell("baseline", "1x", "segm/AP").difference == 0.5


def test_val_is_coco_s_val2017(put_result: Any, build: Any, table3: TableDefinition) -> None:
    put_result(scale="paper", dataset="coco", split="val2017", metrics={"segm/AP": 31.5})
    assert build(table3, "paper").cell("baseline", "1x", "segm/AP").difference == 0.5


@pytest.mark.parametrize("where", [{"dataset": "scenes"}, {"split": "test-dev"}])
def test_no_difference_between_different_data(
    put_result: Any, build: Any, table3: TableDefinition, where: dict[str, str]
) -> None:
    put_result(scale="paper", **{"dataset": "coco", **where})
    cell = build(table3, "paper").cell("baseline", "1x", "segm/AP")
    assert (cell.mean, cell.difference) == (36.8, None)


def test_unavailable_row_has_no_number_even_if_results_exist(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(row="qam")
    table = build(table3)
    cell = table.cell("qam", "1x", "segm/AP")
    assert (cell.mean, cell.n, cell.runs) == (None, 0, ())
    assert str(cell.absence) == (
        "not yet available: BoxSeg's quality-aware module is not built yet"
    )
    assert cell.paper.value == 33.0
    (rejected,) = table.rejected
    assert rejected.path == "mini/table3/qam/1x/seed0/result.json"
    assert rejected.reason == "the row 'qam' is not yet available"


@pytest.mark.parametrize("where", [{"row": "boxinst-old"}, {"column": "2x"}])
def test_result_without_a_cell_is_named(
    put_result: Any, build: Any, table3: TableDefinition, where: dict[str, str]
) -> None:
    put_result(**where)
    table = build(table3)
    assert all(cell.mean is None for cell in table.cells)
    (rejected,) = table.rejected
    (kind, name) = next(iter(where.items()))
    assert rejected.reason == f"table3 has no {kind} '{name}'"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({}, "not run"),
        ({0: RunStatus(State.MISSING)}, "not run"),
        ({0: RunStatus(State.FAILED, "the loss is NaN")}, "failed: the loss is NaN"),
        ({0: RunStatus(State.RUNNING, "process 5")}, "running: process 5"),
        (
            {0: RunStatus(State.MISSING), 1: RunStatus(State.FAILED, "no disk space left")},
            "failed: seed 1: no disk space left",
        ),
        ({0: RunStatus(State.DONE)}, "result refused: see the results left out"),
    ],
)
def test_empty_cell_says_why(
    build: Any, table3: TableDefinition, statuses: dict[int, RunStatus], expected: str
) -> None:
    keyed = {RunKey("baseline", "1x", seed): status for seed, status in statuses.items()}
    cell = build(table3, statuses=keyed).cell("baseline", "1x", "segm/AP")
    assert cell.mean is None
    assert str(cell.absence) == expected


def test_failed_seeds_are_shown_beside_the_mean(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result()
    statuses = {
        RunKey("baseline", "1x", 0): RunStatus(State.DONE),
        RunKey("baseline", "1x", 1): RunStatus(State.FAILED, "the loss is NaN"),
    }
    table = build(table3, statuses=statuses)
    assert table.cell("baseline", "1x", "segm/AP").n == 1
    assert [(one.key.seed, one.status.reason) for one in table.unfinished] == [
        (1, "the loss is NaN")
    ]


@pytest.mark.parametrize("other", [{"dataset": "coco"}, {"split": "train"}, {"method": "sim"}])
def test_unlike_runs_are_not_pooled(
    put_result: Any, build: Any, table3: TableDefinition, other: dict[str, str]
) -> None:
    put_result(seed=0)
    put_result(seed=1, **other)
    cell = build(table3).cell("baseline", "1x", "segm/AP")
    assert cell.mean is None
    assert cell.absence.label == "not pooled"
    (field,) = other
    assert f"more than one {field}" in cell.absence.detail


def test_result_of_another_configuration_is_left_out(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(seed=0, config_sha256="a" * 64, metrics={"segm/AP": 30.0})
    put_result(seed=1, config_sha256="b" * 64, metrics={"segm/AP": 40.0})
    put_result(seed=2, config_sha256="c" * 64, metrics={"segm/AP": 50.0})
    hashes = {RunKey("baseline", "1x", 0): "a" * 64, RunKey("baseline", "1x", 1): "0" * 64}
    table = build(table3, config_hashes=hashes)
    # Seed 2 has no entry, so it is not checked: (30 + 50) / 2 = 40.
    cell = table.cell("baseline", "1x", "segm/AP")
    assert (cell.mean, cell.n) == (40.0, 2)
    assert [(one.path, one.reason) for one in table.rejected] == [
        (
            "mini/table3/baseline/1x/seed1/result.json",
            "outdated, made with another configuration",
        )
    ]


def test_cell_of_outdated_results_says_so(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(config_sha256="a" * 64)
    table = build(table3, config_hashes={RunKey("baseline", "1x", 0): "b" * 64})
    assert table.cell("baseline", "1x", "segm/AP").absence == Absence(
        "outdated", "its results were made with another configuration"
    )
    assert str(table.cell("baseline", "3x", "segm/AP").absence) == "not run"


def test_metric_that_the_runs_lack_is_undefined(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(metrics={"segm/AP": None, "bbox/AP": 50.0})
    cell = build(table3).cell("baseline", "1x", "segm/AP")
    assert cell.absence == Absence("undefined", "its runs have no value of segm/AP")


def test_header_facts_come_from_the_runs_shown(
    put_result: Any, build: Any, all_available: TableDefinition
) -> None:
    put_result(started="2026-11-20T10:00:00+00:00")
    put_result(
        row="qam",
        split="overlap-inter-class",
        started="2026-11-21T01:30:00+02:00",
        git={"commit": "f" * 40, "dirty": True},
    )
    put_result(table="table4", started="2027-01-01T00:00:00+00:00")
    table = build(all_available)
    assert table.newest_run == datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert table.commits == ("0123456789", "ffffffffff with uncommitted changes")
    assert table.evaluated_on == ("scenes overlap-inter-class", "scenes val")


def test_rejected_results_of_this_table_come_along(
    runs: Path, put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result().write_text("{")
    put_result(table="table4").write_text("{")
    assert [one.path for one in build(table3).rejected] == [
        "mini/table3/baseline/1x/seed0/result.json"
    ]
