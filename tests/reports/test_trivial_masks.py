"""Masks that a box alone gives: rows below tables of pseudo masks, and what is said by them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from reports.definition import TableDefinition, load_definition
from reports.formats.csv import render_csv
from reports.formats.html import render_html
from reports.formats.latex import render_latex
from reports.formats.markdown import render_markdown
from reports.wording.cells import grid
from reports.wording.tables import notes

CONTROLS = Path(__file__).parents[2] / "experiments" / "conf" / "table" / "controls.yaml"
TRIVIAL = {"trivial/box-IoU": 51.04, "trivial/ellipse-IoU": 58.5}
GRABCUT = {"trivial/grabcut-IoU": 87.0}


@pytest.fixture
def controls() -> TableDefinition:
    return load_definition(CONTROLS)


@pytest.fixture
def put(put_result: Any) -> Any:
    """Give a function that writes a run of the controls with these pseudo masks."""

    def write(row: str, filled: float, trivial: dict[str, float], **more: Any) -> None:
        metrics = {"segm/AP": 30.0, "pseudo/IoU-filled": filled, **trivial}
        put_result(table="controls", row=row, column="1x", metrics=metrics, **more)

    return write


def test_they_stand_below_the_rows_where_pseudo_masks_are(
    put: Any, build: Any, controls: TableDefinition
) -> None:
    for seed in range(2):
        put("qam", 70.0 + seed, TRIVIAL | GRABCUT, seed=seed)
    table = build(controls)
    labels = [row.label for row, _ in grid(table).lines]
    assert labels[-3:] == [
        "Box as mask",
        "Ellipse in the box",
        "GrabCut in the box (a sample of objects)",
    ]
    for row, number in zip(grid(table).lines[-3:], ("51.0", "58.5", "87.0"), strict=True):
        texts = [entry.text for entry in row[1]]
        assert texts == ["-", "-", number, "-", "-", "not measured"]
    for rendered in (render_markdown, render_html, render_latex):
        assert "Ellipse in the box" in rendered(table)
    lines = {
        (line["row"], line["column"]): line
        for line in csv.DictReader(io.StringIO(render_csv(table)))
    }
    assert lines["trivial-ellipse-iou", "1x"]["ours_mean"] == "58.5"


def test_a_table_without_pseudo_masks_has_no_such_rows(
    put_result: Any, build: Any, table3: TableDefinition
) -> None:
    put_result(row="qam", column="1x", metrics={"segm/AP": 30.0, **TRIVIAL})
    assert build(table3).trivial == ()


def test_runs_that_measured_none_give_none(put: Any, build: Any, controls: TableDefinition) -> None:
    put("qam", 70.0, {})
    assert build(controls).trivial == ()


def test_without_opencv_the_row_says_why(put: Any, build: Any, controls: TableDefinition) -> None:
    put("qam", 70.0, TRIVIAL)
    table = build(controls)
    assert grid(table).lines[-1][1][2].text == "not measured"
    (note,) = (one for one in notes(table) if one.startswith("GrabCut in the box (a sample"))
    assert "its runs were made without OpenCV, which boxseg[grabcut] brings." in note


def test_other_data_are_not_pooled(put: Any, build: Any, controls: TableDefinition) -> None:
    put("qam", 70.0, TRIVIAL)
    put("boxteacher", 70.0, {"trivial/box-IoU": 51.04, "trivial/ellipse-IoU": 60.0})
    table = build(controls)
    box, ellipse, _ = ([entry.text for entry in line] for _, line in grid(table).lines[-3:])
    assert (box[2], ellipse[2]) == ("51.0", "not pooled")


def test_labellers_below_them_are_named(put: Any, build: Any, controls: TableDefinition) -> None:
    put("qam", 58.4, TRIVIAL | GRABCUT)
    put("boxteacher", 58.6, TRIVIAL | GRABCUT)
    put("oracle", 93.0, TRIVIAL | GRABCUT)
    said = [one for one in notes(build(controls)) if one.startswith("1x: ")]
    assert said == [
        "1x: the pseudo masks of QAM teach nothing that the boxes do not: the ellipse in the box "
        "covers the objects better (58.5).",
        "1x: GrabCut in the box, which learns nothing from other images, covers the objects better "
        "(87.0) than the pseudo masks of BoxTeacher (BPMA + MCS); QAM.",
    ]


def test_nothing_is_said_of_labellers_above_them(
    put: Any, build: Any, controls: TableDefinition
) -> None:
    put("qam", 90.0, TRIVIAL | GRABCUT)
    assert not [one for one in notes(build(controls)) if one.startswith("1x: ")]
