from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from boxseg.errors import InputError
from reports.definition import TableDefinition, load_definition
from reports.paper_numbers import PaperNumbers


def refusal(tmp_path: Path, content: object) -> str:
    path = tmp_path / "table3.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(InputError) as caught:
        load_definition(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_table3_has_the_papers_rows_and_columns(table3: TableDefinition) -> None:
    assert [row.name for row in table3.rows] == ["baseline", "boxteacher", "qam", "qam-pc"]
    assert [column.name for column in table3.columns] == ["1x", "3x"]
    assert (table3.dataset, table3.split, table3.metrics) == ("coco", "val", ("segm/AP",))


def test_overrides_join_table_row_and_column(table3: TableDefinition) -> None:
    assert table3.overrides_of(table3.rows[0], table3.columns[1]) == {
        "backbone": "r50",
        "method": "boxinst",
        "schedule": "3x",
    }


def test_stated_differences_are_those_of_the_printed_cells(
    table3: TableDefinition, paper: PaperNumbers
) -> None:
    rows = {row.name: row for row in table3.rows}
    columns = {column.name: column for column in table3.columns}

    def printed(row: str, column: str, metric: str) -> float:
        key = rows[row].paper_row
        assert key is not None
        value = paper.value("3", key.narrowed_by(columns[column].paper_column), metric).value
        assert value is not None
        return value

    stated = {}
    for claim in table3.claims:
        difference = printed(claim.minuend.row, claim.minuend.column, claim.metric) - printed(
            claim.subtrahend.row, claim.subtrahend.column, claim.metric
        )
        assert difference > 0
        if claim.stated_difference is not None:
            stated[claim.id] = claim.stated_difference
            assert difference == pytest.approx(claim.stated_difference, abs=1e-9)
    # The six numbers of the paper's section 4.2.
    assert stated == {
        "qam-over-baseline-1x": 2.0,
        "qam-over-baseline-3x": 2.3,
        "qam-over-boxteacher-1x": 0.4,
        "qam-over-boxteacher-3x": 0.6,
        "pc-over-qam-1x": 0.1,
        "pc-over-qam-3x": 0.8,
    }


def test_misspelt_key_is_named_with_what_is_allowed(
    tmp_path: Path, table3_yaml: dict[str, Any]
) -> None:
    table3_yaml["captoin"] = table3_yaml["caption"]
    message = refusal(tmp_path, table3_yaml)
    assert "unknown key 'captoin' at the top level, did you mean 'caption'?" in message
    assert "allowed: name, version, title, caption" in message


def test_misspelt_key_of_a_row_is_named_with_its_place(
    tmp_path: Path, table3_yaml: dict[str, Any]
) -> None:
    table3_yaml["rows"][2]["override"] = {}
    message = refusal(tmp_path, table3_yaml)
    assert "unknown key 'override' at rows[2], did you mean 'overrides'?" in message
    allowed = "name, label, overrides, columns, reference, paper_row, unavailable, note"
    assert f"(allowed: {allowed})" in message


def test_misspelt_key_of_a_paper_row_lists_the_keys_of_that_level(
    tmp_path: Path, table3_yaml: dict[str, Any]
) -> None:
    table3_yaml["rows"][0]["paper_row"]["metod"] = "x"
    message = refusal(tmp_path, table3_yaml)
    assert "unknown key 'metod' at rows[0].paper_row, did you mean 'method'?" in message
    assert "backbone, schedule, dataset, split, row_order)" in message


def test_missing_key_is_named(tmp_path: Path, table3_yaml: dict[str, Any]) -> None:
    del table3_yaml["columns"][1]["label"]
    assert "the key 'label' is missing at columns[1]" in refusal(tmp_path, table3_yaml)


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (("rows", 1, "name"), "baseline", "rows name 'baseline' more than once"),
        (("rows", 1, "name"), "a/b", "rows[1].name"),
        (("rows", 0, "overrides"), {"schedule": "1x"}, "both override 'schedule'"),
        (("rows", 0, "overrides"), {"method": ["a"]}, "rows[0].overrides.method: must be one"),
        (("rows", 1, "unavailable"), "", "rows[1].unavailable"),
        (("claims", 0, "minuend", "row"), "qma", "names the row 'qma' (allowed: baseline, "),
        (("claims", 0, "subtrahend", "column"), "2x", "names the column '2x' (allowed: 1x, 3x)"),
        (("claims", 0, "metric"), "segm/AP50", "names the metric 'segm/AP50' (allowed: segm/AP)"),
        (("metrics", 0), "AP", "metrics[0]"),
        (("version",), 0, "version"),
        (("name",), "table4", "name the file 'table4.yaml'"),
    ],
)
def test_wrong_value_is_refused(
    tmp_path: Path,
    table3_yaml: dict[str, Any],
    place: tuple[str | int, ...],
    value: object,
    expected: str,
) -> None:
    target: Any = table3_yaml
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    assert expected in refusal(tmp_path, table3_yaml)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rows: [", "is not valid YAML"),
        ("name: table3\nname: table3\n", "the key 'name' appears twice at line 2"),
        ("- a\n- b\n", "holds no table definition"),
        ("", "holds no table definition"),
        ("a: !!python/object/apply:os.getcwd []", "is not valid YAML"),
        ("? [a, b]\n: 1\n", "is not valid YAML"),
    ],
)
def test_broken_yaml_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(tmp_path, text)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"table9\.yaml does not exist"):
        load_definition(tmp_path / "table9.yaml")


def test_claims_are_numbered_by_table_and_place(table3: TableDefinition) -> None:
    assert table3.claim_number(table3.claims[0].id) == "3.1"
    assert table3.claim_number(table3.claims[-1].id) == f"3.{len(table3.claims)}"
    ours = table3.model_copy(update={"name": "own", "paper_table": None})
    assert ours.claim_number(table3.claims[1].id) == "own.2"


def test_an_unknown_claim_has_no_number(table3: TableDefinition) -> None:
    with pytest.raises(KeyError):
        table3.claim_number("no-such-claim")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"columns": ["5x"]}, "row 'qam' names the column '5x' (allowed: 1x, 3x)"),
        ({"columns": []}, "rows[2].columns"),
        (
            {"reference": "qam"},
            "row 'qam' has the reference 'qam' (allowed: baseline, boxteacher, qam-pc)",
        ),
        ({"reference": "sim"}, "row 'qam' has the reference 'sim'"),
        ({"columns": ["3x"]}, "claim 'qam-over-baseline-1x' names the column '1x', which the row"),
    ],
)
def test_rows_name_columns_and_rows_that_are_there(
    tmp_path: Path, table3_yaml: dict[str, Any], row: dict[str, Any], expected: str
) -> None:
    table3_yaml["rows"][2] |= row
    assert expected in refusal(tmp_path, table3_yaml)


def test_a_row_shares_a_column_with_its_reference(
    tmp_path: Path, table3_yaml: dict[str, Any]
) -> None:
    table3_yaml["rows"][2] |= {"reference": "baseline", "columns": ["3x"]}
    table3_yaml["rows"][0] |= {"columns": ["1x"]}
    table3_yaml["claims"] = []
    expected = "row 'qam' and its reference 'baseline' have no common column"
    assert expected in refusal(tmp_path, table3_yaml)


def test_the_paper_s_tables_take_no_positive_controls(
    tmp_path: Path, table3_yaml: dict[str, Any]
) -> None:
    table3_yaml["positive_controls"] = True
    assert "but the table is one of the paper's" in refusal(tmp_path, table3_yaml)
