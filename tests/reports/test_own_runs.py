"""Single runs named by their folders: labels, differences, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from boxseg.errors import InputError
from reports.figures.training_curves import read_log, runs_figure
from reports.own_runs import differences, read_own_runs
from reports.page.write import write_own_runs_page

Put = Callable[..., Path]


def configured(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"seed": 0, "run_dir": str(folder), "solver": {"batch_size": 4, "steps": [1, 2]}}
    (folder / "config.yaml").write_text(yaml.safe_dump(content | changes))
    return folder


def test_labels_are_as_long_as_it_takes(tmp_path: Path) -> None:
    one, other = (configured(tmp_path / name / "1x" / "seed0") for name in ("qam", "sim"))
    assert [run.label for run in read_own_runs([one, other])] == ["qam/1x/seed0", "sim/1x/seed0"]
    assert [run.label for run in read_own_runs([one])] == ["seed0"]


def test_differences_name_keys_by_their_whole_path(tmp_path: Path) -> None:
    solver = {"batch_size": 8, "steps": [1, 2]}
    runs = read_own_runs(
        [configured(tmp_path / "a"), configured(tmp_path / "b", solver=solver, ids="few.txt")]
    )
    assert differences(runs) == [("ids", ("-", "few.txt")), ("solver.batch_size", ("4", "8"))]
    assert differences(runs[:1]) == []


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder of a run"):
        read_own_runs([tmp_path])
    run = configured(tmp_path / "a")
    with pytest.raises(InputError, match="named twice"):
        read_own_runs([run, tmp_path / "." / "a"])
    (run / "config.yaml").write_text("[")
    with pytest.raises(InputError, match="cannot be read as a configuration"):
        read_own_runs([run])


def test_the_page_shows_scores_differences_and_a_run_that_goes_on(
    tmp_path: Path, put_result: Put
) -> None:
    done = put_result(at="done", metrics={"segm/AP": 31.24, "pseudo/IoU-all": 70.0}).parent
    configured(done)
    going = configured(tmp_path / "going", seed=5)
    (going / "metrics.jsonl").write_text('{"iteration": 10, "total_loss": 2.0}\n')
    runs = read_own_runs([done, going])
    figure = runs_figure({run.label: run.folder for run in runs})
    assert figure is not None and "Without a log: done." in figure.caption
    page = write_own_runs_page(tmp_path / "out", runs, [figure], (), command="boxseg report runs")
    text = page.read_text()
    assert ">31.2<" in text and ">70.0<" in text
    assert "not ended" in text and "2 runs side by side" in text
    assert "<code>seed</code></th><td><code>0</code></td><td><code>5</code></td>" in text
    assert str(tmp_path) not in text


def test_evaluations_between_steps_are_curves_too(tmp_path: Path) -> None:
    run = configured(tmp_path / "a")
    (run / "metrics.jsonl").write_text('{"iteration": 10, "total_loss": 2.0}\n')
    (run / "evaluations.jsonl").write_text(
        '{"iteration": 10, "segm/AP": 3.5, "bbox/AP": null}\n{"iteration": 20, "segm/AP": 7.0}\n'
    )
    log = read_log(run)
    assert log is not None
    assert log["segm/AP"].to_dict() == {10: 3.5, 20: 7.0}
    assert log["total_loss"].dropna().to_dict() == {10: 2.0}
    figure = runs_figure({"a": run})
    assert figure is not None and "mask AP (%)" in figure.svg and "box AP" not in figure.svg
