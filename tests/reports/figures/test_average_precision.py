from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from scipy import stats

from reports.figures.average_precision import (
    SITUATIONS,
    SIZES,
    RowPanel,
    ablation_figure,
    draw_row_panels,
)
from reports.figures.selection import estimate, estimates, rows_with_runs
from reports.wording.tables import named_runs
from tests.reports.figures.conftest import Report


def test_an_estimate_is_mean_and_t_interval() -> None:
    found = estimate([36.0, float("nan"), 37.0, 41.0])
    assert found is not None and found.interval is not None
    # Mean 114 / 3 = 38, sd sqrt((4 + 1 + 9) / 2) = 2.6458, t(0.975, 2) = 4.3027.
    assert found.mean == pytest.approx(38.0)
    assert found.interval.high - 38 == pytest.approx(4.3027 * 2.6458 / 3**0.5, abs=1e-3)
    assert found.n == 3
    single = estimate([1.0])
    assert single is not None and single.interval is None
    assert estimate([float("nan")]) is None


def intervals(axes: Axes) -> list[np.ndarray]:
    return [
        segment
        for collection in axes.collections
        if isinstance(collection, LineCollection)
        for segment in collection.get_segments()
    ]


@pytest.mark.parametrize("metric", [*SIZES, *SITUATIONS])
def test_points_and_intervals_are_the_frame_s(table4: Report, metric: str) -> None:
    table, frame = table4.tables[0], table4.results.frame
    rows = rows_with_runs(table, frame)
    panel = RowPanel("title", "", estimates(table, frame, "3x", metric))
    axes = draw_row_panels("heading", rows, [panel], axis="AP", bars=False).axes[0]
    values = frame[(frame["column"] == "3x") & (frame["metric"] == metric)].groupby("row")["value"]
    # The ticks of seeds and the ends of intervals are marked with a bar.
    points = {
        line.get_ydata()[0]: line.get_xdata()[0] for line in axes.lines if line.get_marker() != "|"
    }
    assert [label.get_text() for label in axes.get_yticklabels()] == [r.label for r in rows]
    for line, row in enumerate(rows):
        of_row = values.get_group(row.name)
        assert points[line] == pytest.approx(of_row.mean())
        low, high = stats.t.interval(0.95, 2, of_row.mean(), of_row.sem())
        np.testing.assert_allclose(intervals(axes)[line], [[low, line], [high, line]])
        assert f"{of_row.mean():.1f}" in [text.get_text() for text in axes.texts]


def test_bars_start_at_zero_and_end_at_the_mean(table4: Report) -> None:
    table, frame = table4.tables[0], table4.results.frame
    rows = rows_with_runs(table, frame)
    panel = RowPanel("AP", "", estimates(table, frame, "1x", "segm/AP"))
    axes = draw_row_panels("heading", rows, [panel], axis="AP", bars=True).axes[0]
    assert axes.get_xlim()[0] == 0
    for bar, row in zip(axes.patches, rows, strict=True):
        cell = table.cell(row.name, "1x", "segm/AP")
        assert bar.get_x() == 0
        assert bar.get_width() == pytest.approx(cell.mean)
        assert cell.interval is not None
        assert f"{cell.mean:.1f}" in [text.get_text() for text in axes.texts]


def test_a_single_run_has_no_interval_and_is_marked(table4: Report) -> None:
    table, frame = table4.tables[0], table4.results.frame
    frame = frame[frame["seed"] == 0]
    panel = RowPanel("AP", "", estimates(table, frame, "1x", "segm/AP"))
    rows = rows_with_runs(table, frame)
    axes = draw_row_panels("heading", rows, [panel], axis="AP", bars=True).axes[0]
    assert intervals(axes) == []
    assert all(text.get_text().endswith("(1 run)") for text in axes.texts)


def test_small_differences_are_not_blown_up() -> None:
    panel = RowPanel("AP", "", {"a": estimate([40.0]), "b": estimate([40.1])})
    axes = draw_row_panels("heading", [], [panel], axis="AP", bars=False).axes[0]
    low, high = axes.get_xlim()
    assert high - low == pytest.approx(4.0)
    assert low < 40 < high


def test_a_row_without_a_value_says_so(fixture_report: Report) -> None:
    assert "no value" in fixture_report.figure("ablation-table4").svg


def test_only_ablations_have_bars(fixture_report: Report) -> None:
    for table in fixture_report.tables:
        found = ablation_figure(table, fixture_report.results.frame)
        assert (found is not None) == (table.name == "table4")


def test_runs_are_named_once() -> None:
    runs = [f"mini/t/{row}/1x/seed{seed}" for row in ("b", "a") for seed in (2, 10, 0)]
    assert named_runs([*runs, *runs]) == "a/1x, b/1x (seeds 0, 2, 10)"
    assert named_runs([runs[0], runs[5]]) == "a/1x (seed 0); b/1x (seed 2)"
