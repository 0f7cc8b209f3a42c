from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from boxseg.errors import InputError
from reports.definition import TableDefinition
from reports.paper_numbers import PUBLISHED, PaperKey, PaperNumbers


@pytest.mark.parametrize(
    ("table", "key", "metric", "value"),
    [
        ("1", PaperKey(method="BoxSeg", backbone="ResNet-50-FPN", schedule="3x"), "segm/AP", 35.7),
        ("1", PaperKey(method="SIM", backbone="ResNet-101-DCN-FPN"), "segm/APl", 51.6),
        ("2", PaperKey(method="BoxSeg-T", backbone="ResNet-101"), "segm/AP75", 45.2),
        ("4", PaperKey(method="BQR+QMF", schedule="1x"), "segm/AP", 32.7),
        ("5", PaperKey(row_order=4), "segm/AP", 35.6),
        ("6", PaperKey(method="SIM"), "segm/AP50", 58.9),
        ("7", PaperKey(method="BoxSeg w/o Adaptive-K"), "segm/APs", 20.2),
        ("8", PaperKey(method="BoxTeacher", backbone="ResNet-101-FPN"), "segm/AP", 36.5),
        ("aux", PaperKey(method="BoxSeg (BOX AP, not mask)"), "bbox/AP", 57.4788),
    ],
)
def test_printed_numbers(
    paper: PaperNumbers, table: str, key: PaperKey, metric: str, value: float
) -> None:
    assert paper.value(table, key, metric).value == value


def test_table3_resolves_to_the_printed_numbers(
    paper: PaperNumbers, table3: TableDefinition
) -> None:
    found = {}
    for row in table3.rows:
        assert row.paper_row is not None
        for column in table3.columns:
            printed = paper.value("3", row.paper_row.narrowed_by(column.paper_column), "segm/AP")
            assert "BoxSeg paper Tab.3" in printed.source
            assert (printed.dataset, printed.split) == ("COCO", "val")
            found[row.name, column.name] = printed.value
    assert found == {
        ("baseline", "1x"): 31.0,
        ("baseline", "3x"): 32.5,
        ("boxteacher", "1x"): 32.6,
        ("boxteacher", "3x"): 34.2,
        ("qam", "1x"): 33.0,
        ("qam", "3x"): 34.8,
        ("qam-pc", "1x"): 33.1,
        ("qam-pc", "3x"): 35.6,
    }


def test_number_without_a_source_stays_none(paper: PaperNumbers) -> None:
    printed = paper.value("6", PaperKey(method="SIM + PC"), "segm/AP")
    assert (printed.value, printed.source) == (None, "not found")


def test_every_cell_of_all_eight_tables_can_be_keyed(paper: PaperNumbers) -> None:
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        cells = [cell for cell in csv.DictReader(file) if cell["table"] != "aux"]
    assert {cell["table"] for cell in cells} == set("12345678")
    for cell in cells:
        key = PaperKey(row_order=int(cell["row_order"]), schedule=cell["schedule"])
        printed = paper.value(cell["table"], key, f"segm/{cell['metric']}")
        assert printed.value == (float(cell["value"]) if cell["value"] else None)
        assert printed.source == cell["source"]


def test_key_that_fits_several_rows_is_refused_with_the_choices(paper: PaperNumbers) -> None:
    with pytest.raises(InputError) as caught:
        paper.value("3", PaperKey(method="BoxSeg: QAM"), "segm/AP")
    assert "2 cells of the paper's table 3 fit method 'BoxSeg: QAM'" in str(caught.value)
    assert "ResNet-50-FPN, 1x" in str(caught.value)
    assert "ResNet-50-FPN, 3x" in str(caught.value)


def test_key_that_fits_nothing_is_refused_with_the_methods(paper: PaperNumbers) -> None:
    with pytest.raises(InputError) as caught:
        paper.value("3", PaperKey(method="QAM"), "segm/AP")
    assert "no segm/AP for method 'QAM'" in str(caught.value)
    assert "'BoxSeg: QAM+PC'" in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda line: line.replace("31.0", "310"), "value: input should be less than or equal"),
        (lambda line: line.replace("31.0", "nan"), "value: input should be a finite number"),
        (lambda line: line.replace("31.0", "about 31"), "value: input should be a valid number"),
        (lambda line: line.replace("3,1,", "9,1,", 1), "table: string should match pattern"),
        (lambda line: line + ",surplus", "unknown key '(surplus fields)'"),
        (lambda line: "3,1,short", "backbone"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, spoil: Callable[[str], str], expected: str) -> None:
    lines = PUBLISHED.read_text(encoding="utf-8").splitlines()
    number = next(n for n, line in enumerate(lines) if line.startswith("3,1,baseline"))
    lines[number] = spoil(lines[number])
    path = tmp_path / "published.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        PaperNumbers.load(path)
    assert f"{path}, line {number + 1}: " in str(caught.value)
    assert expected in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*absent\.csv"):
        PaperNumbers.load(tmp_path / "absent.csv")
