from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boxseg.errors import InputError
from reports.figures.calibration import (
    RowCalibration,
    calibration_figures,
    draw_calibration,
    read_calibration,
)
from reports.figures.selection import drawn_rows
from reports.result_file import CalibrationBin, calibration_error, pooled
from reports.results import read_results
from tests.reports.figures.synthetic_runs import built, definition_of, write_run


def bin_(low: float, objects: int, quality: float | None, iou: float | None) -> CalibrationBin:
    return CalibrationBin(
        quality_from=low,
        quality_to=low + 0.5,
        objects=objects,
        mean_quality=quality,
        mean_iou=iou,
    )


FIRST = (bin_(0.0, 1, 0.2, 0.4), bin_(0.5, 3, 0.9, 0.6))
SECOND = (bin_(0.0, 0, None, None), bin_(0.5, 1, 0.7, 0.8))


def test_pooling_weighs_by_objects() -> None:
    low, high = pooled([FIRST, SECOND])
    assert (low.objects, low.mean_iou) == (1, 0.4)
    # Quality (3 * 0.9 + 0.7) / 4 = 0.85; IoU (3 * 0.6 + 0.8) / 4 = 0.65.
    assert high.objects == 4
    assert high.mean_quality == pytest.approx(0.85)
    assert high.mean_iou == pytest.approx(0.65)
    assert len(pooled([SECOND])) == 1  # bins without objects are left out


def test_expected_calibration_error() -> None:
    # (1 * |0.2 - 0.4| + 3 * |0.9 - 0.6|) / 4 = 1.1 / 4
    assert calibration_error(FIRST) == pytest.approx(0.275)
    assert calibration_error(SECOND) == pytest.approx(0.1)


def test_what_is_drawn_is_what_was_recorded() -> None:
    row = drawn_rows(definition_of("table3"))[2]
    one = RowCalibration(row, (FIRST, SECOND), 0.456)
    drawing = draw_calibration("heading", [one])
    above, below = drawing.axes
    pool = next(line for line in above.lines if line.get_label() == "qam")
    np.testing.assert_allclose(pool.get_xdata(), [0.2, 0.85])
    np.testing.assert_allclose(pool.get_ydata(), [0.4, 0.65])
    seeds = [np.asarray(line.get_ydata()).tolist() for line in above.lines[1:3]]
    assert seeds == [[0.4, 0.6], [0.8]]
    np.testing.assert_allclose(below.lines[0].get_ydata(), [20, 80])
    # ECE of the pool: (1 * 0.2 + 4 * |0.85 - 0.65|) / 5 = 0.2.
    labels = [text.get_text() for text in drawing.legends[0].get_texts()]
    assert labels == ["BoxSeg: QAM: ECE 0.200, rank corr. 0.46"]


def test_rank_correlation_is_the_mean_over_seeds(tmp_path: Path) -> None:
    for seed, rank in enumerate((40.0, 50.0)):
        metrics = {"segm/AP": 30.0, "pseudo/rank-correlation": rank}
        write_run(tmp_path, "table3", "qam", "1x", seed, metrics=metrics, log=False)
    write_run(tmp_path, "table3", "boxteacher", "1x", 0, metrics={"segm/AP": 1.0}, log=False)
    (figure,) = _figures(tmp_path)
    assert "BoxSeg: QAM: ECE" in figure.svg and "rank corr. 0.45" in figure.svg
    assert figure.alt.count("ECE") == 2 and "no rank corr." in figure.alt
    assert "qam/1x (seeds 0, 1)" in figure.caption


@pytest.mark.parametrize("record", [[], None])
def test_no_figure_without_bins(tmp_path: Path, record: Any) -> None:
    folder = write_run(tmp_path, "table3", "qam", "1x", 0, log=False)
    content = json.loads((folder / "result.json").read_text())
    del content["calibration"]
    if record is not None:
        content["calibration"] = record
    (folder / "result.json").write_text(json.dumps(content))
    assert read_calibration(folder) is None
    assert _figures(tmp_path) == []


def test_bins_without_an_object(tmp_path: Path) -> None:
    empty = [{"quality_from": 0.0, "quality_to": 1.0, "objects": 0}]
    empty[0] |= {"mean_quality": None, "mean_iou": None}  # type: ignore[typeddict-item]
    write_run(tmp_path, "table3", "qam", "1x", 0, log=False, calibration=empty)
    assert _figures(tmp_path) == []


def test_a_result_that_went_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"result\.json: cannot be read"):
        read_calibration(tmp_path)


def _figures(runs: Path) -> list:
    results = read_results(runs)
    return calibration_figures(built(runs, results, "table3"), results.frame, runs)
