from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.selection import rows_with_runs
from reports.figures.training_curves import (
    averaged,
    draw_training,
    quantities,
    read_log,
    seed_mean,
    training_figures,
    warm_up_end,
)
from reports.results import read_results
from tests.reports.figures.conftest import Report
from tests.reports.figures.synthetic_runs import built, write_run


def write_log(folder: Path, *lines: str) -> Path:
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    return folder


def titled(drawing: Drawing, title: str) -> Axes:
    return next(axes for axes in drawing.axes if axes.get_title(loc="left") == title)


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    folder = write_log(
        tmp_path,
        '{"iteration": 20, "total_loss": 2.0, "note": "x", "flag": true}',
        '{"iteration": 10, "total_loss": 3.0, "pseudo_iou": NaN}',
        "[1]",
        '{"total_loss": 9.0}',
        '{"iteration": 20, "total_loss": 1.5}',
        '{"iteration": 30, "total_lo',
    )
    log = read_log(folder)
    assert log is not None
    assert log["total_loss"].to_dict() == {10: 3.0, 20: 1.5}
    assert set(log) == {"total_loss", "pseudo_iou"}
    assert log["pseudo_iou"].isna().all()


def test_a_run_without_a_log_or_a_line(tmp_path: Path) -> None:
    assert read_log(tmp_path) is None
    assert read_log(write_log(tmp_path, "", "{}")) is None


def test_windows_of_equally_many_steps() -> None:
    index = pd.Index([10, 20, 30, 40, 50], name="iteration")
    log = pd.DataFrame({"total_loss": [5.0, 3.0, 2.0, np.nan, 1.0]}, index=index)
    # At most three points: windows of two steps, the last of one.
    found = averaged(log, 3)["total_loss"]
    assert found.to_dict() == {15.0: 4.0, 35.0: 2.0, 50.0: 1.0}
    assert averaged(log, 5)["total_loss"].to_dict().keys() == {10, 20, 30, 40, 50}


def test_the_end_of_a_warm_up() -> None:
    def log(*values: float) -> pd.DataFrame:
        index = pd.Index(range(10, 10 * len(values) + 1, 10), name="iteration")
        return pd.DataFrame({"pairwise_warmup": values}, index=index)

    assert warm_up_end(log(0.3, 0.7, 1.0, 1.0), "pairwise_warmup") == 30
    assert warm_up_end(log(0.3, 0.7), "pairwise_warmup") is None
    assert warm_up_end(log(1.0, 1.0), "pairwise_warmup") is None
    assert warm_up_end(log(0.3, 1.0), "pseudo_ramp") is None


def test_the_mean_is_taken_where_all_seeds_have_a_value() -> None:
    first = pd.Series({10: 1.0, 20: 2.0, 30: 3.0})
    second = pd.Series({10: 3.0, 20: np.nan, 30: 5.0, 40: 1.0})
    assert seed_mean([first, second]).to_dict() == {10: 2.0, 30: 4.0}


def test_curves_are_those_of_the_logs(table4: Report) -> None:
    table = table4.tables[0]
    frame = table4.results.frame[table4.results.frame["column"] == "1x"]
    logs = {}
    for row, runs in frame.groupby("row")["run"]:
        read = [read_log(table4.runs / run) for run in runs.unique()]
        logs[str(row)] = [log for log in read if log is not None]
    rows = rows_with_runs(table, frame)
    drawing = draw_training("heading", rows, logs)
    axes = titled(drawing, "total loss")
    # Three seeds and their mean of each row.
    assert len(axes.lines) == 4 * len(rows)
    for place, row in enumerate(rows):
        seeds = [averaged(log)["total_loss"] for log in logs[row.name]]
        *thin, thick = axes.lines[4 * place : 4 * place + 4]
        for line, seed in zip(thin, seeds, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), seed)
            assert line.get_linewidth() < thick.get_linewidth()
        np.testing.assert_allclose(thick.get_ydata(), np.mean(seeds, axis=0))
    # The row without a teacher has no pseudo masks.
    assert len(titled(drawing, "IoU of pseudo masks").lines) == 4 * (len(rows) - 1)


def test_the_pairwise_term_s_warm_up_is_marked_where_it_was_logged(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "table3", "qam", "1x", 0)
    figures = training_figures(*_table3(tmp_path), tmp_path)
    # The invented factor is (iteration - 1) / 67 and logged every 10: 1 at 70 first.
    assert "warm-up until 70" in figures[0].svg
    without = [
        {k: v for k, v in json.loads(line).items() if not k.endswith("warmup")}
        for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]
    write_log(folder, *map(json.dumps, without))
    assert "warm-up" not in training_figures(*_table3(tmp_path), tmp_path)[0].svg.replace(
        "pairwise loss before warm-up", ""
    )


def test_only_what_was_logged_has_a_panel() -> None:
    index = pd.Index([10], name="iteration")
    log = pd.DataFrame({"loss_prj": [1.0], "loss_new_term": [1.0], "lr": [0.1]}, index=index)
    log["total_loss"] = np.nan
    assert quantities({"qam": [log]}) == {
        "loss_prj": "projection loss",
        "loss_new_term": "new term loss",
    }
    assert quantities({}) == {}


@pytest.mark.parametrize("lines", [(), ("{}",), ('{"iteration": 10, "lr": 0.1}',)])
def test_no_figure_without_curves(tmp_path: Path, lines: tuple[str, ...]) -> None:
    write_log(write_run(tmp_path, "table3", "qam", "1x", 0), *lines)
    assert training_figures(*_table3(tmp_path), tmp_path) == []


def _table3(runs: Path) -> tuple:
    results = read_results(runs)
    return built(runs, results, "table3"), results.frame
