"""A configuration is trained once, whichever tables show it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from boxseg.engine.run_directory import RunDirectory
from experiments.launch.runs import Run, expand
from experiments.launch.sharing import find_shared, share
from experiments.launch.tables import definitions
from experiments.run.saved_model import saved_model
from reports.results import read_results
from tests.conftest import REPOSITORY
from tests.experiments.command_line import Outcome, boxseg, result
from tests.experiments.slurm_cluster import wait_until
from tests.reports.conftest import result_content

QAM = "smoke/{}/qam/1x/seed0"  # the same configuration in tables 3 and 4


def runs_of(root: Path, *tables: str, overrides: tuple[str, ...] = (), seeds: int = 1) -> list[Run]:
    """The runs of QAM at 1x."""
    return [
        run
        for table in definitions(tables)
        for run in expand(table, "smoke", seeds, root, ["qam"], ["1x"], overrides)
    ]


def finish(run: Run) -> None:
    """Leave what a finished run leaves, as far as it is looked at."""
    names = {"table": run.cell.table, "row": run.cell.row, "column": run.cell.column}
    content = result_content(**names, scale=run.scale, seed=run.seed, config_sha256=run.sha256)
    RunDirectory(run.directory).choose(run.sha256)
    (run.directory / "result.json").write_text(json.dumps(content))


def begin(run: Run) -> None:
    """Leave what an interrupted run leaves, as far as it is looked at."""
    RunDirectory(run.directory).choose(run.sha256)
    (run.directory / "checkpoint.pt").touch()


def trained(runs: list[Run]) -> list[str]:
    return [run.name for run in share(runs).trained]


@pytest.mark.parametrize(
    "scale",
    ["smoke", *(pytest.param(larger, marks=pytest.mark.slow) for larger in ("mini", "paper"))],
)
def test_the_paper_s_tables_have_fewer_configurations_than_cells(
    tmp_path: Path, scale: str
) -> None:
    runs = [run for table in definitions(["all"]) for run in expand(table, scale, 1, tmp_path)]
    shared = find_shared(runs)
    assert (len(shared.of), len(shared.trained)) == (
        79,
        60,
    )  # 66 and 47 but for the 13 rows of other systems
    assert list(tmp_path.iterdir()) == []  # looking writes nothing


def test_the_first_of_equal_runs_is_trained_and_the_others_are_links_to_it(tmp_path: Path) -> None:
    third, fourth = runs_of(tmp_path / "runs", "table3", "table4")
    assert trained([third, fourth]) == [third.name]
    assert not third.directory.is_symlink()
    finish(third)
    assert result(fourth.directory) == result(third.directory)
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / QAM.format("table4") / "result.json").exists()
    assert trained(runs_of(tmp_path / "moved", "table4", "table3")) == [third.name]


def test_seeds_and_other_configurations_are_not_shared(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, "table3", seeds=2)
    other = runs_of(tmp_path, "table4", overrides=("solver.batch_size=1",))
    assert trained(runs + other) == [run.name for run in runs + other]


@pytest.mark.parametrize("leave", [finish, begin, lambda run: share([run])])
def test_what_lies_in_another_table_s_folder_is_taken_up(tmp_path: Path, leave: object) -> None:
    third, fourth = runs_of(tmp_path, "table3", "table4")
    assert callable(leave)
    leave(fourth)
    shared = share([third])
    run = shared.of[third.name]
    assert (run.name, run.directory, run.sha256) == (fourth.name, fourth.directory, third.sha256)
    assert run.configuration.run_dir == str(fourth.directory)
    assert third.directory.resolve() == fourth.directory.resolve()
    assert shared.failures({run.name: "why"}) == {
        third.name: f"it is the same run as {fourth.name}: why"
    }


def test_what_is_finished_comes_before_what_is_begun(tmp_path: Path) -> None:
    third, fourth = runs_of(tmp_path, "table3", "table4")
    begin(third)
    finish(fourth)
    assert trained([third]) == [fourth.name]
    kept = list(third.directory.parent.glob(".seed0-*"))
    assert [(folder / "checkpoint.pt").exists() for folder in kept] == [True]


def test_runs_finished_in_two_folders_stay_two(tmp_path: Path) -> None:
    """As tables have them that were made before runs were shared."""
    third, fourth = runs_of(tmp_path, "table3", "table4")
    finish(third)
    finish(fourth)
    assert trained([third, fourth]) == [third.name, fourth.name]
    assert not fourth.directory.is_symlink()


def test_a_copy_made_without_links_is_as_good(tmp_path: Path) -> None:
    third, fourth = runs_of(tmp_path / "runs", "table3", "table4")
    share([third, fourth])
    finish(third)
    shutil.copytree(tmp_path / "runs", tmp_path / "copy", symlinks=False)
    copied = runs_of(tmp_path / "copy", "table3", "table4")
    assert trained(copied) == [run.name for run in copied]  # and both are finished
    read = read_results(tmp_path / "copy")
    assert (set(read.frame["table"]), read.rejected) == ({"table3", "table4"}, ())
    assert result(copied[1].directory)["trained_as"] == third.name


def test_a_link_does_not_outlive_what_it_was_made_for(tmp_path: Path) -> None:
    third, fourth = runs_of(tmp_path, "table3", "table4")
    (third_today,) = runs_of(tmp_path, "table3", overrides=("solver.batch_size=1",))
    share([third, fourth])
    finish(third)
    # Table 3 has the row otherwise now; its folder is moved aside, as a run of it does.
    assert trained([third_today, fourth]) == [third_today.name, fourth.name]
    assert not fourth.directory.is_symlink()
    RunDirectory(third.directory).move_aside_if_of_another(third_today.sha256)
    share([third_today])
    shared = share([fourth])
    assert RunDirectory(shared.trained[0].directory).is_finished(fourth.sha256)
    assert RunDirectory(fourth.directory).is_finished(fourth.sha256)
    shutil.rmtree(third.directory.parent)
    assert trained([fourth]) == [fourth.name]
    assert not fourth.directory.is_symlink()


def test_the_remains_of_a_dry_run_give_way(tmp_path: Path) -> None:
    third, fourth = runs_of(tmp_path, "table3", "table4")
    fourth.directory.mkdir(parents=True)
    (fourth.directory / "config.yaml").touch()
    assert trained([third, fourth]) == [third.name]
    assert [file.name for file in fourth.directory.parent.iterdir()] == ["seed0"]


def test_a_folder_in_which_somebody_is_at_work_does_not(tmp_path: Path) -> None:
    third, fourth = runs_of(tmp_path, "table3", "table4")
    finish(third)
    with RunDirectory(fourth.directory).occupied():
        begin(fourth)
        assert trained([third, fourth]) == [third.name, fourth.name]
        assert (fourth.directory / "checkpoint.pt").exists()


def test_only_links_to_runs_count_as_the_cell_s_own_results(tmp_path: Path) -> None:
    third, fourth = runs_of(tmp_path, "table3", "table4")
    share([third, fourth])
    finish(third)
    third.directory.with_name("seed1").symlink_to("seed0")
    read = read_results(tmp_path)
    found = read.frame.groupby("run")[["table", "row", "column", "seed"]].first()
    assert found.to_dict("index") == {
        QAM.format(table): {"table": table, "row": "qam", "column": "1x", "seed": 0}
        for table in ("table3", "table4")
    }
    assert [one.path for one in read.rejected] == ["smoke/table3/qam/1x/seed1/result.json"]


def reproduce(folder: Path, *words: str) -> Outcome:
    where = ("--scale", "smoke", "--runs", folder / "runs", "--out", folder / "out")
    return boxseg("reproduce", *words, *where, "--rows", "qam", "baseline", "--columns", "1x")


def trainings(folder: Path) -> list[str]:
    """The folders in which something was trained."""
    found = (folder / "runs").rglob("checkpoint.pt")
    names = (file.parent.relative_to(folder / "runs" / "smoke").as_posix() for file in found)
    return sorted(names)


@pytest.fixture(scope="module")
def two_tables(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows that tables 3 and 4 share, of table 4 alone at first, then of both."""
    folder = tmp_path_factory.mktemp("shared")
    assert reproduce(folder, "table4").code == 0
    return folder


def test_a_second_table_trains_nothing_that_the_first_has(two_tables: Path) -> None:
    before = trainings(two_tables)
    assert before == ["table4/baseline/1x/seed0", "table4/qam/1x/seed0"]
    outcome = reproduce(two_tables, "table3")
    assert outcome.code == 0, outcome.err
    assert "training data" not in outcome.err
    assert trainings(two_tables) == before
    both = reproduce(two_tables, "table3", "table4")
    assert "4 runs have 2 different configurations and seeds, each trained once" in both.err

    frame = read_results(two_tables / "runs").frame.set_index(["table", "row", "metric"])["value"]
    pd.testing.assert_series_equal(frame.loc["table3"], frame.loc["table4"])
    assert ("qam", "segm/AP") in frame.loc["table3"].index
    rows = [
        [line for line in file.read_text().splitlines() if line.startswith("| Box-supervised loss")]
        for file in sorted(two_tables.rglob("table[34].md"))
    ]
    assert rows[0] == rows[1] != []
    runs = ("--scale", "smoke", "--runs", two_tables / "runs")
    status = boxseg("status", "table3", *runs).out
    assert "smoke/table3/qam/1x/seed0/log.txt" in status
    words = ("reproduce", "table3", *runs, "--dry-run", "--rows", "qam", "--columns", "1x")
    dry = boxseg(*words).out
    assert dry == "table3/qam/1x/seed0: same run as table4/qam/1x/seed0\n1 runs\n"


def test_a_shared_run_serves_as_the_cell_s_own(two_tables: Path, tmp_path: Path) -> None:
    reproduce(two_tables, "table3")
    link, run = (two_tables / "runs" / QAM.format(table) for table in ("table3", "table4"))
    assert saved_model(link).config.method == saved_model(run).config.method == "boxseg"
    words = ("evaluate", link, "--out", tmp_path)
    outcome = boxseg(*words)
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "predictions.json").read_bytes() == (run / "predictions.json").read_bytes()
    report = boxseg(
        *("report", "table3", "--scale", "smoke", "--out", tmp_path / "out"),
        *("--runs", two_tables / "runs"),
    )
    assert report.code == 0, report.err
    assert "table3/qam/1x/seed0/metrics.jsonl" in (tmp_path / "out" / "index.html").read_text()


def test_a_failing_shared_run_is_told_of_every_cell_and_tried_once(tmp_path: Path) -> None:
    outcome = reproduce(tmp_path, "table3", "table4", "solver.optimizer.learning_rate=1e30")
    assert outcome.code == 1
    complaints = [line for line in outcome.err.splitlines() if line.startswith("boxseg: run ")]
    assert len(complaints) == 4
    assert sum("it is the same run as table3/" in line for line in complaints) == 2
    assert outcome.err.count("[1/2]") == 1
    status = boxseg("status", "table4", "--scale", "smoke", "--runs", tmp_path / "runs").out
    assert status.count(" failed ") == 2


@pytest.mark.slow  # another process imports torch
@pytest.mark.parametrize("launcher", ["inline", "local"])
def test_two_tables_at_once_do_not_train_the_same(
    tmp_path: Path, data_dir: Path, launcher: str
) -> None:
    words = ("images.iterations_1x=100", "--rows", "qam", "--columns", "1x")
    words += ("--scale", "smoke", "--runs", str(tmp_path / "runs"))
    command = [sys.executable, "-m", "experiments.cli", "reproduce", "table3", *words]
    command += ["--out", str(tmp_path / "out")]
    other = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    run = tmp_path / "runs" / QAM.format("table3")
    wait_until((run / "running.json").exists, "a run is at work")
    where = ("--out", tmp_path / "out4", "--launcher", launcher)
    outcome = boxseg("reproduce", "table4", *words, *where)
    assert (other.wait(), outcome.code) == (0, 0), outcome.err
    assert "table3/qam/1x/seed0: waiting for another process" in outcome.err
    assert trainings(tmp_path) == ["table3/qam/1x/seed0"]
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 100
