"""A claim's name in a figure, where its sentence has no room."""

from __future__ import annotations

from reports.claims import Assessment
from reports.figures.selection import metric_title
from reports.table import Table


def claim_label(table: Table, one: Assessment) -> str:
    """Write which two rows a claim compares, shortly: their names are those of its cells."""
    claim = one.claim
    first, second, shared = _without_shared_end(claim.minuend.row, claim.subtrahend.row)
    columns = [claim.minuend.column, claim.subtrahend.column]
    if columns[0] != columns[1]:
        first, second = f"{first} {columns[0]}", f"{second} {columns[1]}"
    elif len(table.definition.columns) > 1:
        shared.append(columns[0])
    if claim.metric != "segm/AP":
        shared.append(metric_title(claim.metric))
    return ", ".join([f"{first} over {second}", *shared])


def _without_shared_end(first: str, second: str) -> tuple[str, str, list[str]]:
    """Take a long end that two names share off both: `a-r50-1x` and `b-r50-1x` share `r50-1x`."""
    left, right = first.split("-"), second.split("-")
    shared: list[str] = []
    while len(left) > 1 and len(right) > 1 and left[-1] == right[-1]:
        shared.insert(0, left.pop())
        right.pop()
    if len(shared) < 2:
        return first, second, []
    return "-".join(left), "-".join(right), ["-".join(shared)]
