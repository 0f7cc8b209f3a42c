"""A table that the paper does not have: no paper numbers, and none of their columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from boxseg.errors import InputError
from reports.definition import TableDefinition, load_definition
from reports.formats.csv import render_csv
from reports.formats.markdown import render_markdown
from reports.formats.plain_text import render_summary

COCO_PHOTOS = Path(__file__).parents[2] / "experiments" / "conf" / "table" / "coco-photos.yaml"


@pytest.fixture
def photographs() -> TableDefinition:
    return load_definition(COCO_PHOTOS)


def test_only_our_numbers_stand_in_it(
    put_result: Any, build: Any, photographs: TableDefinition
) -> None:
    metrics = {"pseudo/IoU": 61.2, "pseudo/valid": 97.0, "predicted/IoU-top": 55.5, "bbox/AP": None}
    metrics["predicted/hollow"] = 4.5
    put_result(
        table="coco-photos", row="qam", method="boxseg", dataset="coco-photos", metrics=metrics
    )
    table = build(photographs)
    text = render_markdown(table)
    (row,) = (line for line in text.splitlines() if line.startswith("| BoxSeg: QAM |"))
    assert [part.strip() for part in row.split("|")[2:-1]] == [
        "undefined",
        "undefined",
        "55.5",
        "4.5",
        "undefined",
        "undefined",
        "61.2",
        "97.0",
    ]
    assert "pseudo IoU-all" in text
    assert "predicted IoU-top" in text
    assert "box AP" in text
    assert "This table is not in the paper; it gives AP, box AP," in " ".join(text.split())
    for shown in (text, render_summary([table], [], Path("out"), None)):
        assert "paper's" not in shown
        assert "the paper printed" not in shown
        assert "paper (" not in shown
    assert "not in the paper" in render_csv(table)


def test_there_is_nothing_to_subtract_at_paper_scale(
    put_result: Any, build: Any, photographs: TableDefinition
) -> None:
    put_result(table="coco-photos", row="qam", scale="paper", metrics={"segm/AP": 30.0})
    table = build(photographs, scale="paper")
    assert table.cell("qam", "1x", "segm/AP").difference is None
    assert "difference" not in render_markdown(table)


def test_it_has_no_rows_of_the_paper(tmp_path: Path) -> None:
    content = yaml.safe_load(COCO_PHOTOS.read_text(encoding="utf-8"))
    content["rows"][0]["paper_row"] = {"method": "BoxInst"}
    file = tmp_path / "coco-photos.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="row 'baseline' has a paper_row, but paper_table is null"):
        load_definition(file)


@pytest.mark.parametrize("metric", ["pseudo/AP", "predicted/valid", "pseudo", "mask/IoU"])
def test_metrics_that_no_run_has(tmp_path: Path, metric: str) -> None:
    content = yaml.safe_load(COCO_PHOTOS.read_text(encoding="utf-8"))
    content["metrics"].append(metric)
    file = tmp_path / "coco-photos.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="metrics"):
        load_definition(file)
