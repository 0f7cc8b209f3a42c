from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from reports.figures.pseudo_iou import AP, IOU, draw_points, points_of, pseudo_iou_figure
from reports.figures.selection import rows_with_runs
from reports.results import read_results
from tests.reports.figures.conftest import Report
from tests.reports.figures.synthetic_runs import built, write_run


def test_a_point_per_run_where_the_frame_has_it(table4: Report) -> None:
    table, frame = table4.tables[0], table4.results.frame
    points = points_of(frame)
    assert len(points) == 4 * 2 * 3  # rows with a teacher, columns, seeds
    panels = {name: points[points["column"] == name] for name in ("1x", "3x")}
    rows = rows_with_runs(table, points)
    drawing = draw_points("heading", rows, panels, {})
    for axes, column in zip(drawing.axes, panels, strict=True):
        drawn = np.concatenate([line.get_xydata() for line in axes.lines])
        assert len(drawn) == 12
        for metric, place in ((IOU, 0), (AP, 1)):
            here = frame[(frame["column"] == column) & (frame["metric"] == metric)]
            here = here[here["run"].isin(points["run"])]["value"]
            np.testing.assert_allclose(sorted(drawn[:, place]), sorted(here))


def test_points_have_the_look_of_their_method(table4: Report) -> None:
    points = points_of(table4.results.frame)
    rows = rows_with_runs(table4.tables[0], points)
    axes = draw_points("heading", rows, {"": points}, {}).axes[0]
    looks = [(line.get_color(), line.get_marker()) for line in axes.lines]
    assert looks == [(row.style.color, row.style.marker) for row in rows]
    assert len(set(looks)) == len(rows) == 4


def test_runs_that_lack_either_number_are_no_points(tmp_path: Path) -> None:
    nothing_made = {IOU: 0.0, AP: 24.0}
    lacking = ({IOU: 71.0}, {AP: 31.0, IOU: None}, nothing_made)
    for seed, metrics in enumerate(({IOU: 70.0, AP: 30.0}, *lacking)):
        write_run(tmp_path, "table3", "qam", "1x", seed, metrics=metrics, log=False)
    results = read_results(tmp_path)
    assert points_of(results.frame)[[IOU, AP]].to_numpy().tolist() == [[70.0, 30.0]]
    figure = pseudo_iou_figure(built(tmp_path, results, "table3"), results.frame)
    assert figure is not None
    assert "(1 in all)" in figure.caption and "Rank correlation" not in figure.alt


def test_no_figure_without_pseudo_masks(tmp_path: Path) -> None:
    write_run(tmp_path, "table3", "baseline", "1x", 0, method="boxinst")
    results = read_results(tmp_path)
    assert pseudo_iou_figure(built(tmp_path, results, "table3"), results.frame) is None
    assert points_of(results.frame).empty
    assert points_of(pd.DataFrame(columns=results.frame.columns)).empty


def test_rank_correlation_over_runs(fixture_report: Report) -> None:
    points = points_of(fixture_report.results.frame)
    here = points[(points["run"].str.contains("table3/")) & (points["column"] == "1x")]
    expected = here[IOU].corr(here[AP], method="spearman")
    alt = fixture_report.figure("pseudo-iou-table3").alt
    assert f"Rank correlation over the {len(here)} runs: {expected:.2f}." in alt


def test_masks_that_a_box_alone_gives_are_lines(tmp_path: Path) -> None:
    trivial = {"trivial/box-IoU": 51.0, "trivial/ellipse-IoU": 58.25}
    for seed in (0, 1):
        metrics = {IOU: 70.0 + seed, AP: 30.0 + seed, **trivial}
        write_run(tmp_path, "table3", "qam", "1x", seed, metrics=metrics, log=False)
    results = read_results(tmp_path)
    table = built(tmp_path, results, "table3")
    figure = pseudo_iou_figure(table, results.frame)
    assert figure is not None
    said = "Lines: IoU of masks that a box alone gives, Box as mask 51.0, Ellipse in the box 58.2."
    assert said in figure.caption and said in figure.alt
    points = points_of(results.frame)
    drawing = draw_points("heading", rows_with_runs(table, points), {"": points}, trivial)
    upright = [line.get_xdata()[0] for line in drawing.axes[0].lines if len(line.get_xdata()) == 2]
    assert upright[-2:] == [51.0, 58.25]
    low, high = drawing.axes[0].get_xlim()
    assert low < 51.0 and high > 71.0
