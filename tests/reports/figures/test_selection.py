"""One method, one look: in every figure of every table, whatever its rows are called there."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from reports.definition import TableDefinition, load_definition
from reports.figures.selection import drawn_rows, method_of

TABLES = Path(__file__).parents[3] / "experiments" / "conf" / "table"
NAMES = (*(f"table{number}" for number in range(1, 9)), "coco-photos")


@pytest.fixture(scope="module")
def tables() -> list[TableDefinition]:
    return [load_definition(TABLES / f"{name}.yaml") for name in NAMES]


def test_a_method_looks_the_same_in_every_table(tables: list[TableDefinition]) -> None:
    looks = defaultdict(set)
    for table in tables:
        for row, drawn in zip(table.rows, drawn_rows(table), strict=True):
            method = method_of(table.overrides | row.overrides)
            looks[method].add((drawn.style.color, drawn.style.marker))
    assert all(len(found) == 1 for found in looks.values())
    # And no two methods look alike.
    assert len({next(iter(found)) for found in looks.values()}) == len(looks) > 15


def test_words_that_name_a_part_the_method_has_anyway_do_not_matter() -> None:
    plain = method_of({"method": "boxseg", "copy_paste": "none", "backbone": "r50"})
    named = {"method": "boxseg", "copy_paste": "none", "pseudo_labels": "qam", "schedule": "3x"}
    assert method_of(named) == plain
    assert method_of({"method": "boxseg", "copy_paste": "peer"}) == method_of({"method": "boxseg"})
    assert method_of({"method": "sim", "copy_paste": "peer"}) != method_of({"method": "sim"})


def test_rows_of_one_table_can_be_told_apart(tables: list[TableDefinition]) -> None:
    for table in tables:
        styles = [row.style for row in drawn_rows(table)]
        seen = {(one.color, one.marker, str(one.line), one.fill) for one in styles}
        assert len(seen) == len(styles), table.name
        methods = {method_of(table.overrides | row.overrides) for row in table.rows}
        if len(methods) <= 7:
            assert len({one.color for one in styles}) == len(methods), table.name
