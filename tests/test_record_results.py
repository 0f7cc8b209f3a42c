"""Which results are recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reports.results import read_results
from tests.reports.conftest import result_content
from tools.record_results import record, record_repeats


def finished(runs: Path, seed: int, place: str | None = None, **changes: Any) -> Path:
    content = {**result_content(seed=seed), **changes}
    names = ("scale", "table", "row", "column")
    folder = runs / (place or "/".join([*(content[n] for n in names), f"seed{seed}"]))
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(content))
    (folder / "metrics.jsonl").write_text("{}\n")
    return folder.relative_to(runs)


def test_only_what_can_be_traced_is_recorded(tmp_path: Path) -> None:
    runs, recorded = tmp_path / "runs", tmp_path / "recorded"
    good = finished(runs, 0)
    finished(runs, 1, git={"commit": "0" * 40, "dirty": True})
    finished(runs, 2, place=str(good.parent / "seed7"))
    broken = runs / good.parent / "seed3"
    broken.mkdir()
    (broken / "result.json").write_text("{")
    left_out = record(runs, recorded, frozenset())
    assert [line.split(": ")[0].split("/")[-1] for line in left_out] == ["seed1", "seed3", "seed7"]
    assert "uncommitted" in left_out[0]
    files = [file.relative_to(recorded) for file in recorded.rglob("*") if file.is_file()]
    assert files == [good / "result.json"]
    assert (recorded / files[0]).read_bytes() == (runs / good / "result.json").read_bytes()


def test_logs_go_along_where_asked_for(tmp_path: Path) -> None:
    runs, recorded = tmp_path / "runs", tmp_path / "recorded"
    good = finished(runs, 0)
    table = good.parts[1]
    record(runs, recorded, frozenset({table}))
    assert (recorded / good / "metrics.jsonl").read_text() == "{}\n"


def test_a_shared_run_is_recorded_for_each_of_its_cells(tmp_path: Path) -> None:
    runs, recorded = tmp_path / "runs", tmp_path / "recorded"
    good = finished(runs, 0)
    scale, _, row, column, seed = good.parts
    link = runs / scale / "table4" / row / column / seed
    link.parent.mkdir(parents=True)
    link.symlink_to(runs / good)
    link.with_name("seed1").symlink_to(runs / good)  # it is no run of that seed
    (left_out,) = record(runs, recorded, frozenset({"table4"}))
    assert left_out.startswith(f"{scale}/table4/{row}/{column}/seed1: belongs in ")
    read = read_results(recorded)
    assert read.rejected == ()
    assert sorted(read.frame["table"].unique()) == [good.parts[1], "table4"]
    own = recorded / link.relative_to(runs)
    assert not own.is_symlink() and (own / "metrics.jsonl").exists()
    assert json.loads((own / "result.json").read_text())["trained_as"] == "/".join(good.parts[1:])


def test_runs_of_another_processor_lie_beside_what_they_repeat(tmp_path: Path) -> None:
    runs, recorded = tmp_path / "runs", tmp_path / "recorded"
    host = result_content()["environment"]
    elsewhere = host | {"host": "A (R) quick one, 4 cores"}
    first, *_ = (finished(recorded, seed, seconds=500.0 + seed) for seed in range(3))
    finished(runs, 0, environment=elsewhere, metrics={"segm/AP": 37.5})
    finished(runs, 1)  # on the same processor
    finished(runs, 2, environment=elsewhere, config_sha256="1" * 64)
    finished(runs, 3, environment=elsewhere)  # nothing is recorded that it could repeat
    left_out = record_repeats(runs, recorded)
    assert [line.split(": ")[0].split("/")[-1] for line in left_out] == ["seed1", "seed2", "seed3"]
    assert "the record is of a somewhere, too" in left_out[0]
    assert "another configuration" in left_out[1]
    read = read_results(recorded)
    assert read.rejected == ()
    assert sorted(read.frame["run"].unique()) == [f"{first.parent}/seed{k}" for k in range(3)]
    assert read.repeats["run"].unique() == [f"{first}/repeats/a-r-quick-one"]
    assert read.repeats.set_index("metric")["value"]["segm/AP"] == 37.5
