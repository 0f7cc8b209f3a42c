"""The report of results that were made elsewhere: nothing is run, and all formats are written."""

from __future__ import annotations

import csv
import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest

from experiments.launch.runs import expand
from experiments.launch.tables import definitions
from tests.experiments.command_line import boxseg

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "reports" / "results"
SYNTHETIC = ROOT / "tests" / "reports" / "fixture"
SUFFIXES = (".csv", ".html", ".md", ".tex")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The synthetic results of table 3 as if made with the configurations of today."""
    copy = tmp_path / "runs"
    shutil.copytree(SYNTHETIC / "mini" / "table3", copy / "mini" / "table3")
    for run in expand(definitions(["table3"])[0], "mini", 3, copy):
        file = run.directory / "result.json"
        content = json.loads(file.read_text()) | {"config_sha256": run.sha256}
        file.write_text(json.dumps(content))
    return copy


def test_a_table_its_verdicts_and_its_files(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = boxseg("report", "table3", "--runs", runs, "--out", out)
    assert report.code == 0, report.err
    folder = out / "mini"
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    assert names == sorted(["claims.csv", "claims.md", *(f"table3{end}" for end in SUFFIXES)])
    with (folder / "table3.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [cell["n"] for cell in cells] == ["3"] * 8
    with (folder / "claims.csv").open(newline="") as file:
        verdicts = {claim["claim"]: claim["verdict"] for claim in csv.DictReader(file)}
    assert verdicts["qam-over-baseline-1x"] == "replicated"
    assert verdicts["qam-over-boxteacher-3x"] == "not replicated"
    assert "10 claims: " in report.out and " replicated" in report.out
    assert len(report.out.splitlines()) <= 17
    assert all(len(line) <= 80 or str(tmp_path) in line for line in report.out.splitlines())
    # The page holds the table, a verdict and the figures; without predictions there is no gallery.
    page = (out / "index.html").read_text()
    assert 'id="cell-table3-qam-1x-segm/AP"' in page
    assert "not replicated" in page
    drawn = sorted(file.stem for file in (folder / "figures").glob("*.svg"))
    assert "effects" in drawn
    assert page.count("<svg") >= len(drawn)
    assert f"Page: {out / 'index.html'}" in report.out.splitlines()
    assert str(tmp_path) not in page
    # The folder is named, this machine's path to it is not.
    text = (folder / "table3.md").read_text()
    assert "`boxseg report table3 --scale mini --runs runs`" in text
    assert str(tmp_path) not in text


def test_results_of_another_scale_version_are_outdated(runs: Path, tmp_path: Path) -> None:
    place = runs / "mini" / "table3" / "qam" / "1x"
    for file in place.glob("seed*/result.json"):
        content = json.loads(file.read_text()) | {"config_sha256": "0" * 64, "scale_version": 7}
        file.write_text(json.dumps(content))
    report = boxseg("report", "table3", "--runs", runs, "--out", tmp_path / "out")
    assert report.code == 0
    (row,) = (line for line in report.out.splitlines() if line.startswith("BoxSeg: QAM  "))
    assert "outdated" in row
    said = (tmp_path / "out" / "mini" / "table3.md").read_text()
    assert "qam/1x/seed2/result.json`: outdated, made with another configuration" in said


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The recorded results as if made with the configurations of today, whatever theirs were."""
    copy = tmp_path / "recorded"
    shutil.copytree(RECORDED, copy)
    for table in definitions(["all"]):
        for run in expand(table, "mini", 3, copy):
            file = run.directory / "result.json"
            if file.exists():
                content = json.loads(file.read_text()) | {"config_sha256": run.sha256}
                file.write_text(json.dumps(content))
    return copy


@pytest.mark.slow  # the configurations of eight tables are composed
def test_the_recorded_results_of_all_tables(recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("report", "all", "--runs", recorded, "--scale", "mini")
    assert boxseg(*words, "--out", out).code == 0
    first = contents(out)
    assert len([file for file in first if file.parent == out / "mini"]) == 8 * len(SUFFIXES) + 2
    assert out / "index.html" in first
    # As many sheets as they take, so a name of its own for each.
    assert {file.parent for file in first if fnmatch(file.name, "effects*.svg")} == {
        out / "mini" / "figures"
    }
    assert boxseg(*words, "--out", out).code == 0
    assert contents(out) == first


def test_recorded_results_are_shown_or_named_as_outdated(tmp_path: Path) -> None:
    report = boxseg("report", "table3", "--runs", RECORDED, "--scale", "mini", "--out", tmp_path)
    assert report.code == 0
    said = (tmp_path / "mini" / "table3.md").read_text()
    for file in (RECORDED / "mini" / "table3").rglob("result.json"):
        place = file.parent.relative_to(RECORDED).as_posix()
        assert place in said, "neither behind a number nor among those left out"


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
