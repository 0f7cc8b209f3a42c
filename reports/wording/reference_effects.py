"""How the effect of a control reads."""

from __future__ import annotations

from reports.reference_effects import ReferenceEffect, reference_effects
from reports.table import Table
from reports.wording.cells import bounds


def effect_text(effect: ReferenceEffect) -> str:
    """Write `+0.31 [-0.20, 0.82] (n=3)`, or without an interval of one seed."""
    interval = effect.interval
    spread = "" if interval is None else f" {bounds(interval, 2)}"
    return f"{effect.mean:+z.2f}{spread} (n={len(effect.differences)})"


def effect_lines(table: Table) -> list[str]:
    """Write a line per row that differs from a reference, in the order of the table."""
    labels = {row.name: row.label for row in table.definition.rows}
    return [
        f"{labels[one.row]} minus {labels[one.reference]}, {one.column}: {effect_text(one)}"
        for one in reference_effects(table)
    ]
