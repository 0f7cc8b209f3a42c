"""A number for each claim, the same on the page, in the statement and in what cites them."""

from __future__ import annotations

from reports.definition import TableDefinition


def claim_number(definition: TableDefinition, claim: str) -> str:
    """Number a claim by its table and its place there: `3.1` is the first of the paper's table 3.

    A table of ours gives its name instead: `coco128.1`.

    Raises:
        KeyError: the table has no claim of this id.
    """
    for place, one in enumerate(definition.claims, start=1):
        if one.id == claim:
            return f"{definition.paper_table or definition.name}.{place}"
    raise KeyError(claim)
