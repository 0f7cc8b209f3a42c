from __future__ import annotations

from pathlib import Path

from reports.page.document import Link, RunLinks, link_run


def test_links_are_relative_and_safe(tmp_path: Path) -> None:
    run = tmp_path / "runs of: mine" / "mini" / "a"
    run.mkdir(parents=True)
    (run / "log.txt").write_text("")
    found = link_run("mini/a", tmp_path / "runs of: mine", tmp_path / "out" / "deep")
    assert found.files == (Link("log", "../../runs%20of%3A%20mine/mini/a/log.txt"),)


def test_a_run_that_is_not_here_has_no_links(tmp_path: Path) -> None:
    assert link_run("mini/a", None, tmp_path) == RunLinks("mini/a", ())
    assert link_run("mini/a", tmp_path / "none", tmp_path).files == ()
