"""Every table's definition against the numbers the paper printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reports.definition import TableDefinition, load_definition
from reports.definition_faults import faults_of
from reports.paper_numbers import PaperNumbers
from tests.conftest import REPOSITORY

TABLES = sorted((REPOSITORY / "experiments" / "conf" / "table").glob("*.yaml"))


@pytest.fixture(scope="module")
def printed() -> PaperNumbers:
    return PaperNumbers.load()


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_definitions_agree_with_what_was_printed(path: Path, printed: PaperNumbers) -> None:
    assert faults_of(load_definition(path), printed) == []


def test_tables_1_and_2_have_every_row_of_the_paper(printed: PaperNumbers) -> None:
    for number, rows in ((1, 23), (2, 14)):
        table = load_definition(
            REPOSITORY / "experiments" / "conf" / "table" / f"table{number}.yaml"
        )
        assert len(table.rows) == len(printed.printed_rows(str(number))) == rows
        orders = [row.paper_row.row_order for row in table.rows if row.paper_row is not None]
        assert orders == list(range(1, rows + 1))
        assert all(row.unavailable is None for row in table.rows)


def test_table_1_compares_boxseg_with_every_other_box_supervised_row() -> None:
    table = load_definition(REPOSITORY / "experiments" / "conf" / "table" / "table1.yaml")
    compared = {
        claim.subtrahend.row
        for claim in table.claims
        if claim.metric == "segm/AP" and claim.minuend.row.startswith("boxseg")
    }
    others = [row.name for row in table.rows if not row.name.startswith(("boxseg", "mask-rcnn"))]
    assert {name for name in others if not name.startswith("condinst")} <= compared
    large = [claim for claim in table.claims if claim.metric == "segm/APl"]
    assert len(large) == 6


def table5() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        (REPOSITORY / "experiments" / "conf" / "table" / "table5.yaml").read_text()
    )
    return content


def faults(content: dict[str, Any], printed: PaperNumbers) -> list[str]:
    return faults_of(TableDefinition.model_validate(content), printed)


def test_a_printed_row_that_is_left_out(printed: PaperNumbers) -> None:
    content = table5()
    del content["rows"][1]
    content["claims"] = []
    (fault,) = faults(content, printed)
    assert "no row stands for the printed row 2, 'select: random; paste: random'" in fault


def test_a_row_that_is_not_printed(printed: PaperNumbers) -> None:
    content = table5()
    content["rows"].append({"name": "more", "label": "more", "paper_row": {"method": "more"}})
    (fault,) = faults(content, printed)
    assert fault.startswith("table5, row 'more', column '3x': the paper's table 5 prints no")


def test_claims_that_the_printed_cells_do_not_bear_out(printed: PaperNumbers) -> None:
    content = table5()
    content["claims"][1]["stated_difference"] = 0.5  # 35.4 - 35.0
    content["claims"][0]["stated_difference"] = 0.24  # 35.0 - 34.8, rounded
    turned = content["claims"][2] | {"id": "turned", "stated_difference": None}
    turned["minuend"], turned["subtrahend"] = turned["subtrahend"], turned["minuend"]
    content["claims"].append(turned)
    assert faults(content, printed) == [
        "table5, claim 'quality-over-random': the printed cells differ by 0.4, not by the stated "
        "0.5",
        "table5, claim 'turned': the printed cells differ by -0.2, which is no gain",
    ]


def test_a_table_of_ours_has_nothing_printed(printed: PaperNumbers) -> None:
    content = table5() | {"paper_table": None}
    for row in content["rows"]:
        del row["paper_row"]
    assert faults(content, printed) == []


def test_a_claim_compares_two_cells() -> None:
    content = table5()
    content["claims"][0]["subtrahend"] = content["claims"][0]["minuend"]
    with pytest.raises(ValueError, match="claim 'random-over-none' compares a cell with itself"):
        TableDefinition.model_validate(content)
