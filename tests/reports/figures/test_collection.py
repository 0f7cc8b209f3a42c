from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.figure import Figure as Drawing

from boxseg.errors import InputError
from reports.figures import all_figures
from reports.results import read_results
from tests.reports.figures.conftest import FIXTURE, Report, report
from tests.reports.figures.overlaps import overlaps
from tests.reports.figures.synthetic_runs import METRICS, built, write_run, write_table

REAL = Path(__file__).parents[3] / "reports" / "results"


def test_every_kind_of_figure_that_the_fixture_has_data_for(fixture_report: Report) -> None:
    assert fixture_report.names == [
        "effects",
        "size-table3",
        "situation-table3",
        "pseudo-iou-table3",
        "calibration-table3-1x",
        "calibration-table3-3x",
        "training-table3-1x",
        "ablation-table4",
        "size-table4",
        "situation-table4",
        "pseudo-iou-table4",
        "calibration-table4-1x",
        "calibration-table4-3x",
    ]


def test_the_same_data_give_the_same_bytes(fixture_report: Report) -> None:
    again = report(FIXTURE, "table4")
    for figure in again.figures:
        if figure.name != "effects":  # which shows all tables of a report
            assert figure == fixture_report.figure(figure.name)
    assert len(again.figures) == 7


def test_every_figure_says_scale_interval_and_runs(fixture_report: Report) -> None:
    for figure in fixture_report.figures:
        assert "mini scale: scenes, EfficientNet-Lite" in figure.caption
        assert re.search(r"Runs: .*\(seeds? 0", figure.caption)
        assert len(re.findall(r"\d+\.\d", figure.alt)) >= 2, figure.name
    for kind in ("size", "situation"):
        assert "95% interval of the mean" in fixture_report.figure(f"{kind}-table3").caption


def test_the_caller_s_matplotlib_settings_neither_count_nor_change(tmp_path: Path) -> None:
    write_run(tmp_path, "table3", "qam", "1x", 0)
    figures = report(tmp_path, "table3").figures
    with matplotlib.rc_context({"font.size": 31, "axes.grid": False, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        again = report(tmp_path, "table3").figures
        assert dict(matplotlib.rcParams) == before
    assert again == figures


def test_a_changed_result_changes_its_figures(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path, "table3", "baseline", "1x", seed, method="boxinst", log=False)
    before = report(tmp_path, "table3").figure("size-table3")
    metrics = {"segm/AP": 12.3, "segm/APm": 45.6}
    write_run(tmp_path, "table3", "baseline", "1x", 0, method="boxinst", log=False, metrics=metrics)
    assert report(tmp_path, "table3").figure("size-table3").svg != before.svg


def test_scales_are_never_mixed(tmp_path: Path) -> None:
    write_run(tmp_path, "table3", "baseline", "1x", 0)
    results = read_results(tmp_path)
    tables = [built(tmp_path, results, "table3", scale) for scale in ("mini", "smoke")]
    with pytest.raises(InputError, match=r"several scales \(mini, smoke\)"):
        all_figures(tables, (), results, tmp_path)
    assert all_figures(tables[1:], (), results, tmp_path) == ()


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    results = read_results(tmp_path)
    assert all_figures((), (), results, tmp_path) == ()
    assert report(tmp_path, "table3", "table4").figures == ()


def test_one_run_of_one_row(tmp_path: Path) -> None:
    write_run(tmp_path, "table3", "qam", "1x", 0)
    found = report(tmp_path, "table3")
    assert found.names == [
        "size-table3",
        "situation-table3",
        "pseudo-iou-table3",
        "calibration-table3-1x",
        "training-table3-1x",
    ]
    assert "(1 run)" in found.figure("size-table3").svg


def test_one_seed_of_every_row(tmp_path: Path) -> None:
    write_table(tmp_path, "table3", seeds=1, logs=False)
    found = report(tmp_path, "table3")
    assert len(found.figures) == 6
    assert "single run" in found.figure("effects").svg


NO_NUMBERS: dict[str, Any] = {"metrics": dict.fromkeys(METRICS), "calibration": []}


def test_runs_without_a_single_number(tmp_path: Path) -> None:
    for row in ("baseline", "qam"):
        for seed in range(2):
            write_run(tmp_path, "table4", row, "1x", seed, log=False, **NO_NUMBERS)
    assert report(tmp_path, "table4").figures == ()


def test_a_metric_that_is_missing_leaves_out_its_figures_alone(tmp_path: Path) -> None:
    for seed in range(2):
        metrics = {"segm/AP": 30.0 + seed, "segm/APm": 25.0, "segm/APs": None}
        write_run(tmp_path, "table4", "qam", "1x", seed, metrics=metrics, calibration=[], log=False)
    found = report(tmp_path, "table4")
    assert found.names == ["ablation-table4", "size-table4"]
    assert ">small<" not in found.figure("size-table4").svg


@pytest.mark.slow
def test_committed_results_are_drawn_and_no_text_lies_on_a_marker_or_another_text() -> None:
    found = report(REAL, *(f"table{number}" for number in range(1, 9)))
    assert {"size-table3", "pseudo-iou-table3"} <= set(found.names)
    assert any(name.startswith("effects") for name in found.names)  # on several sheets
    for figure in found.figures:
        assert figure.drawing is not None
        assert overlaps(figure.drawing) == [], figure.name


def test_nor_where_every_row_has_all_that_can_be_drawn(fixture_report: Report) -> None:
    for figure in fixture_report.figures:
        assert figure.drawing is not None
        assert overlaps(figure.drawing) == [], figure.name


def test_texts_on_a_marker_or_a_text_are_found() -> None:
    drawing = Drawing(figsize=(4, 3))
    axes = drawing.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.plot([0.5], [0.5], "o")
    axes.text(0.2, 0.2, "alone")
    assert overlaps(drawing) == []
    axes.text(0.49, 0.5, "marked")
    assert overlaps(drawing) == ["'marked' on a marker"]
    axes.text(0.21, 0.2, "beside")
    assert "'alone' on 'beside'" in overlaps(drawing)


def test_outdated_results_are_not_drawn(tmp_path: Path) -> None:
    write_run(tmp_path, "table3", "qam", "1x", 0)
    results = read_results(tmp_path)
    table = built(tmp_path, results, "table3")
    # What a table makes of results of another configuration: cells without runs.
    empty = tuple(cell for cell in table.cells if not cell.runs)
    without = type(table)(**{**vars(table), "cells": empty})
    assert all_figures((table,), (), results, tmp_path)
    assert all_figures((without,), (), results, tmp_path) == ()
