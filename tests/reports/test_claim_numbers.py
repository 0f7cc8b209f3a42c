from __future__ import annotations

import pytest

from reports.claim_numbers import claim_number
from reports.definition import TableDefinition


def test_claims_are_numbered_by_table_and_place(table3: TableDefinition) -> None:
    assert claim_number(table3, table3.claims[0].id) == "3.1"
    assert claim_number(table3, table3.claims[-1].id) == f"3.{len(table3.claims)}"
    ours = table3.model_copy(update={"name": "own", "paper_table": None})
    assert claim_number(ours, table3.claims[1].id) == "own.2"


def test_an_unknown_claim_has_no_number(table3: TableDefinition) -> None:
    with pytest.raises(KeyError):
        claim_number(table3, "no-such-claim")
