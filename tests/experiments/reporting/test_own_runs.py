"""`boxseg report runs`: a page of runs that are in no table."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.experiments.command_line import boxseg


def test_a_page_of_two_runs(finished: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(finished, tmp_path / "other"))
    outcome = boxseg("report", "runs", finished, other, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"Page: {tmp_path / 'out' / 'index.html'}\n"
    text = (tmp_path / "out" / "index.html").read_text()
    assert "2 runs side by side" in text and "total loss" in text
    assert text.count("<img ") == 8 * 4  # images, both runs and the truth, of split and situations
    assert str(tmp_path) not in text.replace(str(finished), "")


def test_a_run_alone_shows_its_worst_and_its_best(finished: Path, tmp_path: Path) -> None:
    assert boxseg("report", "runs", finished, "--out", tmp_path / "out").code == 0
    text = (tmp_path / "out" / "index.html").read_text()
    assert "the worst of" in text and "the best of" in text


def test_what_is_no_run_is_told(finished: Path, tmp_path: Path) -> None:
    assert "no run is named" in boxseg("report", "runs").complaint
    assert "no folder of a run" in boxseg("report", "runs", tmp_path).complaint
    assert "boxseg report runs RUN" in boxseg("report", "--runs", finished).complaint
