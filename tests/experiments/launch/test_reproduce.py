"""A table from one command: run once, reported the same ever after."""

from __future__ import annotations

import csv
import io
import re
import shutil
from pathlib import Path

import pytest
import yaml

from experiments.launch.runs import expand
from experiments.launch.tables import definitions
from tests.experiments.command_line import Outcome, boxseg, result

SMOKE = ("reproduce", "table3", "--scale", "smoke")


@pytest.fixture(scope="module")
def workplace(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `runs` and `out` are filled by table 3 at smoke scale."""
    return tmp_path_factory.mktemp("table3")


@pytest.fixture(scope="module")
def first(workplace: Path) -> Outcome:
    """The first call."""
    return reproduce(workplace)


def reproduce(workplace: Path, *words: str) -> Outcome:
    return boxseg(*SMOKE, "--runs", workplace / "runs", "--out", workplace / "out", *words)


def state(text: str, row: str, column: str) -> str:
    """A cell's state in the print of `boxseg status`."""
    found = re.search(rf"^{row} +{column} +0 +(.+?)(?:  |$)", text, re.MULTILINE)
    assert found, text
    return found[1]


def test_a_table_from_one_command(first: Outcome, workplace: Path) -> None:
    assert first.code == 0, first.err
    baseline = next(line for line in first.out.splitlines() if line.startswith("Box-supervised"))
    runs = workplace / "runs" / "smoke" / "table3" / "baseline"
    ours = [f"{result(runs / c / 'seed0')['metrics']['segm/AP']:.1f}" for c in ("1x", "3x")]
    assert baseline.split()[-4:] == ["31.0", ours[0], "32.5", ours[1]]  # the paper's beside ours
    assert "31.0" in (workplace / "out" / "smoke" / "table3.md").read_text()
    lines = first.out.splitlines()
    assert len(lines) <= 17  # the answer, what it rests on, the page, the next command
    assert all(len(line) <= 80 or str(workplace) in line for line in lines)
    assert f"Page: {workplace / 'out' / 'index.html'}" in lines
    assert (workplace / "out" / "index.html").is_file()
    assert lines[-1].startswith("  boxseg reproduce table3 --scale mini")
    table = definitions(["table3"])[0]
    for row in table.rows:
        line = next(line for line in first.out.splitlines() if line.startswith(row.label))
        assert ("not yet available" in line) == (row.unavailable is not None)


def test_runs_belong_to_their_cells(first: Outcome, workplace: Path) -> None:
    places = (workplace / "runs" / "smoke").glob("table3/*/*/seed*/result.json")
    found = {}
    for file in places:
        content = result(file.parent)
        cell = (content["row"], content["column"])
        assert file.parent == (workplace / "runs" / "smoke" / "table3").joinpath(*cell, "seed0")
        found[cell] = content
    one, three = found["baseline", "1x"], found["baseline", "3x"]
    assert three["iterations"] == 3 * one["iterations"]
    assert (one["method"], one["dataset"], one["scale"]) == ("boxinst", "scenes", "smoke")


def test_a_second_call_trains_nothing_and_prints_the_same(first: Outcome, workplace: Path) -> None:
    files = sorted((workplace / "runs").rglob("*"))
    before = {file: file.stat().st_mtime_ns for file in files}
    again = reproduce(workplace)
    assert (again.code, again.out) == (0, first.out)
    assert "is finished" in again.err
    assert "training data" not in again.err
    files = sorted((workplace / "runs").rglob("*"))
    assert {file: file.stat().st_mtime_ns for file in files} == before


def test_a_run_whose_data_are_elsewhere_is_finished_too(first: Outcome, workplace: Path) -> None:
    again = reproduce(workplace, "data_dir=/nowhere", "workers=1")
    assert again.code == 0
    assert "training data" not in again.err


def test_the_report_alone_prints_the_same_table(first: Outcome, workplace: Path) -> None:
    words = ("report", "table3", "--scale", "smoke", "--runs", workplace / "runs")
    report = boxseg(*words, "--out", workplace / "out2")
    assert report.code == 0

    def without_command(text: str) -> list[str]:
        kept = text.splitlines()
        return [line for line in kept if str(workplace) not in line]

    assert without_command(report.out) == without_command(first.out)
    rows = list(csv.reader(io.StringIO((workplace / "out2/smoke/table3.csv").read_text())))
    assert len(rows) > 4


def test_status_before_and_after(first: Outcome, workplace: Path, tmp_path: Path) -> None:
    before = boxseg("status", "table3", "--scale", "smoke", "--runs", tmp_path / "none")
    after = boxseg("status", "table3", "--scale", "smoke", "--runs", workplace / "runs")
    assert (before.code, after.code) == (0, 0)
    for column in ("1x", "3x"):
        assert state(before.out, "baseline", column) == "not run"
        assert state(after.out, "baseline", column) == "done"
    assert "smoke/table3/baseline/1x/seed0/log.txt" in after.out
    assert not (tmp_path / "none").exists()


def test_runs_that_fail_are_named_and_do_not_stop_the_others(tmp_path: Path) -> None:
    outcome = reproduce(tmp_path, "solver.optimizer.learning_rate=1e30", "--rows", "baseline")
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    complaints = [line for line in outcome.err.splitlines() if line.startswith("boxseg: ")]
    for column, line in zip(("1x", "3x"), complaints, strict=True):
        assert line.startswith(f"boxseg: run table3/baseline/{column}/seed0 failed: ")
        assert "last good checkpoint" in line
    status = boxseg("status", "table3", "--scale", "smoke", "--runs", tmp_path / "runs").out
    assert state(status, "baseline", "1x") == "failed"
    assert "became" in status
    assert "log: smoke/table3/baseline/1x/seed0/log.txt" in status


def test_one_torn_result_does_not_stop_the_others(
    first: Outcome, workplace: Path, tmp_path: Path
) -> None:
    shutil.copytree(workplace / "runs", tmp_path / "runs")
    cells = tmp_path / "runs" / "smoke" / "table3" / "baseline"
    (cells / "1x" / "seed0" / "result.json").write_text("{")
    shutil.rmtree(cells / "3x")
    outcome = reproduce(tmp_path, "--rows", "baseline")
    assert outcome.code == 1
    assert "boxseg: run table3/baseline/1x/seed0 failed: " in outcome.err
    assert (cells / "3x" / "seed0" / "result.json").exists()


def test_runs_of_another_configuration_are_kept_aside(
    first: Outcome, workplace: Path, tmp_path: Path
) -> None:
    shutil.copytree(workplace / "runs", tmp_path / "runs")
    cells = tmp_path / "runs" / "smoke" / "table3" / "baseline"
    old = result(cells / "1x" / "seed0")
    outcome = reproduce(tmp_path, "solver.batch_size=1", "--rows", "baseline")
    assert outcome.code == 0, outcome.err
    kept = list((cells / "1x").glob(".seed0-*"))
    assert len(kept) == 1
    assert result(kept[0]) == old
    assert result(cells / "1x" / "seed0")["config_sha256"] != old["config_sha256"]
    assert "was made with another configuration; moved to" in outcome.err


def test_a_folder_of_runs_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    outcome = reproduce(tmp_path)
    assert outcome.code in (1, 2)
    assert "Traceback" not in outcome.err
    assert f"cannot write in run directory {tmp_path}/runs/smoke/table3" in outcome.err


@pytest.mark.parametrize("scale", ["smoke", "paper"])
def test_dry_run(tmp_path: Path, scale: str) -> None:
    words = ("reproduce", "table3", "--scale", scale, "--dry-run", "--runs", tmp_path)
    outcome = boxseg(*words)
    assert (outcome.code, outcome.err) == (0, "")
    available = [row.name for row in definitions(["table3"])[0].rows if row.unavailable is None]
    paths = re.findall(r"^  (.+)$", outcome.out, re.MULTILINE)
    assert [Path(path).relative_to(tmp_path).as_posix() for path in paths] == [
        f"{scale}/table3/{row}/{column}/seed0/config.yaml"
        for row in available
        for column in ("1x", "3x")
    ]
    for path in paths:
        config = yaml.safe_load(Path(path).read_text())
        assert config["scale"]["name"] == scale
        assert config["run_dir"] == str(Path(path).parent)
        # Nothing but the configuration: nothing has run.
        assert [file.name for file in Path(path).parent.iterdir()] == ["config.yaml"]
    assert boxseg(*words).out == outcome.out
    if scale == "smoke":
        assert "GPU hours" not in outcome.out
    else:
        # 160 hours for BoxTeacher at 1x, times 0.74 for BoxInst's step, and three times that.
        assert "90000 iterations, about 118 GPU hours on RTX 3090" in outcome.out
        assert "270000 iterations, about 355 GPU hours on RTX 3090" in outcome.out
        # 90,000 steps of 0.288 s, and the source of each estimate.
        assert "about 7.2 GPU hours on H200" in outcome.out
        assert "BoxTeacher README" in outcome.out
        assert "this suite at commit d5e5344" in outcome.out
        assert re.search(rf"^{len(paths)} runs, about \d+ GPU hours", outcome.out, re.MULTILINE)


def test_a_dry_run_says_what_is_finished(first: Outcome, workplace: Path) -> None:
    config = workplace / "runs" / "smoke/table3/baseline/1x/seed0/config.yaml"
    before = config.read_text()
    outcome = reproduce(workplace, "--dry-run")
    lines = [line for line in outcome.out.splitlines() if line.startswith("table3/baseline/")]
    assert len(lines) == 2
    assert all(line.endswith(", finished") for line in lines)
    assert config.read_text() == before


def test_seeds_rows_and_words_make_the_runs(tmp_path: Path) -> None:
    table = definitions(["table3"])[0]
    runs = expand(table, "smoke", 3, tmp_path, rows=["baseline"], overrides=["workers=1"])
    assert [run.name for run in runs] == [
        f"table3/baseline/{column}/seed{seed}" for column in ("1x", "3x") for seed in range(3)
    ]
    config = runs[4].configuration
    assert (config.seed, config.schedule, config.workers) == (1, "3x", 1)
    assert (config.method, config.dataset.name, config.backbone) == ("boxinst", "scenes", "r50")
    assert config.run_dir == str(tmp_path / "smoke/table3/baseline/3x/seed1")
    assert len({run.configuration.sha256 for run in runs[:4]}) == 4


@pytest.mark.slow  # every process imports torch anew
def test_several_processes_make_the_same_table(tmp_path: Path, data_dir: Path) -> None:
    words = ("--rows", "baseline", "threads=1")
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert reproduce(alone, *words).code == 0
    outcome = reproduce(together, *words, "--launcher", "local", "--jobs", "2")
    assert outcome.code == 0, outcome.err
    for file in sorted((alone / "runs").rglob("predictions.json")):
        other = together / "runs" / file.relative_to(alone / "runs")
        assert other.read_bytes() == file.read_bytes()
        assert result(other.parent)["metrics"] == result(file.parent)["metrics"]


def test_words_may_follow_the_flags(tmp_path: Path) -> None:
    outcome = boxseg(
        *SMOKE, "--dry-run", "--runs", tmp_path, "--rows", "baseline", "images.iterations_1x=8"
    )
    assert outcome.code == 0
    assert "table3/baseline/1x/seed0: boxinst, r50, 8 iterations" in outcome.out
