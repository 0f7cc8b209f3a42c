from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from boxseg.errors import InputError
from reports.result_file import load_result
from reports.results import COLUMNS, read_results


def test_a_row_per_run_and_metric(runs: Path, put_result: Any) -> None:
    put_result()
    put_result(column="3x", metrics={"segm/AP": 40.0}, started="2026-11-22T22:36:00+02:00")
    results = read_results(runs)
    frame = results.frame
    assert results.rejected == ()
    assert list(zip(frame["column"], frame["metric"], frame["value"], strict=True)) == [
        ("1x", "bbox/AP", 54.8),
        ("1x", "segm/AP", 36.8),
        ("1x", "segm/AP50", 70.1),
        ("3x", "segm/AP", 40.0),
    ]
    assert list(frame["run"].unique()) == [
        "mini/table3/baseline/1x/seed0",
        "mini/table3/baseline/3x/seed0",
    ]
    assert set(frame["started"]) == {pd.Timestamp("2026-11-22T20:36:00Z")}


@pytest.mark.parametrize("filled", [False, True])
def test_types_do_not_depend_on_what_was_found(runs: Path, put_result: Any, filled: bool) -> None:
    if filled:
        put_result()
    frame = read_results(runs).frame
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == COLUMNS


def test_null_metric_is_undefined_not_an_error(runs: Path, put_result: Any) -> None:
    put_result(metrics={"segm/AP": 36.8, "segm/APl": None})
    results = read_results(runs)
    assert results.rejected == ()
    assert results.frame["value"].isna().tolist() == [False, True]


def test_keys_beyond_the_schema_are_welcome(runs: Path, put_result: Any) -> None:
    put_result(area_ranges="scaled")
    assert len(read_results(runs).frame) == 3


BIN = {
    "quality_from": 0.0,
    "quality_to": 0.1,
    "objects": 2,
    "mean_quality": 0.06,
    "mean_iou": 0.31,
}


def test_what_newer_results_hold_besides(runs: Path, put_result: Any) -> None:
    empty = {**BIN, "objects": 0, "mean_quality": None, "mean_iou": None}
    path = put_result(calibration=[BIN, empty], deviations=["half the batch"], scale_version=2)
    result = load_result(path)
    assert [(one.objects, one.mean_iou) for one in result.calibration] == [(2, 0.31), (0, None)]
    assert (result.deviations, result.scale_version) == (("half the batch",), 2)
    older = load_result(put_result())
    assert (older.calibration, older.deviations, older.scale_version) == ((), (), None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mean_iou": 1.2}, "calibration[0].mean_iou"),
        ({"objects": 0}, "means without objects"),
        ({"mean_quality": None}, "objects without means"),
        ({"objects": -1}, "calibration[0].objects"),
    ],
)
def test_calibration_that_cannot_be_is_refused(
    runs: Path, put_result: Any, changes: dict[str, Any], says: str
) -> None:
    put_result(calibration=[{**BIN, **changes}])
    assert says in only_rejection(runs)[1]


def only_rejection(runs: Path) -> tuple[str, str]:
    results = read_results(runs)
    assert results.frame.empty
    (rejected,) = results.rejected
    assert rejected.concerns("mini", "table3")
    return rejected.path, rejected.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": 2}, "foreign schema, only schema 1 is read"),
        ({"metrics": {"segm/AP": float("nan")}}, "metrics.segm/AP: input should be a finite"),
        ({"metrics": {"segm/AP": float("inf")}}, "metrics.segm/AP: input should be a finite"),
        ({"metrics": {"segm/AP": 100.5}}, "segm/AP is 100.5, outside 0 to 100"),
        ({"metrics": {"segm/AP": -1.0}}, "segm/AP is -1.0, outside 0 to 100"),
        ({"metrics": {"segm/AP": "36.8"}}, "metrics.segm/AP: input should be a valid number"),
        ({"seed": True}, "seed: input should be a valid integer"),
        ({"started": "yesterday"}, "started: "),
        ({"started": "2026-11-22T20:36:00"}, "started: input should have timezone info"),
        ({"git": {"commit": "abc"}}, "the key 'dirty' is missing at git"),
    ],
)
def test_unusable_result_is_named_and_left_out(
    runs: Path, put_result: Any, changes: dict[str, Any], reason: str
) -> None:
    put_result(at="mini/table3/baseline/1x/seed0", **changes)
    path, found = only_rejection(runs)
    assert path == "mini/table3/baseline/1x/seed0/result.json"
    assert found.startswith(reason)


@pytest.mark.parametrize("kept", [0, 1, 100, -3])
def test_truncated_result_is_named(runs: Path, put_result: Any, kept: int) -> None:
    path = put_result()
    path.write_bytes(path.read_bytes()[:kept])
    assert only_rejection(runs)[1] == "truncated or not JSON"


def test_file_of_another_program_is_named(runs: Path, put_result: Any) -> None:
    put_result().write_text(json.dumps({"accuracy": 0.9}))
    assert only_rejection(runs)[1] == "foreign schema, only schema 1 is read"


@pytest.mark.parametrize(
    "place",
    [
        "mini/table3/baseline/1x/seed1",
        "mini/table3/baseline/3x/seed0",
        "mini/table3/qam/1x/seed0",
        "mini/table4/baseline/1x/seed0",
        "paper/table3/baseline/1x/seed0",
        "mini/table3/baseline/1x/seed00",
        "mini/table3/baseline/1x/seed0/backup",
        "old",
        ".",
    ],
)
def test_misplaced_result_is_named(runs: Path, put_result: Any, place: str) -> None:
    put_result(at=place)
    path, reason = only_rejection(runs)
    assert path == (Path(place) / "result.json").as_posix()
    assert reason == "misplaced, its contents belong in mini/table3/baseline/1x/seed0"


def test_one_run_under_two_seeds_is_left_out_twice(runs: Path, put_result: Any) -> None:
    put_result(seed=0, seconds=1.25)
    put_result(seed=1, seconds=1.25)
    put_result(seed=2)
    results = read_results(runs)
    assert results.frame["seed"].unique().tolist() == [2]
    assert [(one.path, one.reason) for one in results.rejected] == [
        (
            "mini/table3/baseline/1x/seed0/result.json",
            "duplicated, the same run as mini/table3/baseline/1x/seed1",
        ),
        (
            "mini/table3/baseline/1x/seed1/result.json",
            "duplicated, the same run as mini/table3/baseline/1x/seed0",
        ),
    ]


def test_run_shared_by_two_tables_is_no_copy(runs: Path, put_result: Any) -> None:
    put_result()
    put_result(table="table4", row="none")
    assert read_results(runs).rejected == ()


def test_rejection_concerns_the_tables_it_lies_in_or_claims(runs: Path, put_result: Any) -> None:
    put_result(at="mini/table4/baseline/1x/seed0")
    put_result(at="paper/table3/baseline/1x/seed0", schema=7)
    (misplaced, foreign) = read_results(runs).rejected
    assert misplaced.concerns("mini", "table3")
    assert misplaced.concerns("mini", "table4")
    assert not misplaced.concerns("paper", "table3")
    assert foreign.concerns("paper", "table3")
    assert not foreign.concerns("mini", "table3")


def test_half_written_files_are_not_results(runs: Path) -> None:
    folder = runs / "mini" / "table3" / "baseline" / "1x" / "seed0"
    folder.mkdir(parents=True)
    (folder / ".result.json.123.tmp").write_text("{")
    results = read_results(runs)
    assert results.frame.empty
    assert results.rejected == ()


def test_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder of runs .*absent"):
        read_results(tmp_path / "absent")


def test_a_thousand_results_are_read_in_seconds(runs: Path, put_result: Any) -> None:
    for seed in range(1000):
        put_result(seed=seed)
    start = time.perf_counter()
    frame = read_results(runs).frame
    seconds = time.perf_counter() - start
    assert frame["seed"].nunique() == 1000
    assert seconds < 5.0
