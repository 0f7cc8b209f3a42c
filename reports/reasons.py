"""The sentences that say why a claim has its verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.table import PAPER_SCALE, Cell
from reports.verdict import LEVEL, Evidence, PValues


def not_run(cells: Sequence[Cell]) -> str:
    """Say what two cells without a seed in common lack."""
    lacking = [
        f"{cell.row}, {cell.column}: {cell.absence}" for cell in cells if cell.absence is not None
    ]
    return "; ".join(lacking) or "no seed was run in both cells"


def found_by_tests(evidence: Evidence, tests: PValues, claim: int, seeds: int, scale: str) -> str:
    """Say what the tests found of one claim of a table, without a full stop.

    Args:
        evidence: of the table.
        tests: of it.
        claim: its place among the tested ones.
        seeds: that both its cells have.
        scale: of the table.
    """
    average, number = float(evidence.means[claim]), float(evidence.numbers[claim])
    found = f"mean difference {average:+z.2f} over {seeds} seeds"

    def p(one_sided: float, sides: str = "one-sided") -> str:
        value = "< 0.001" if one_sided < 0.001 else f"= {one_sided:.3f}"
        family = evidence.means.shape[-1]
        return f"({sides} p {value}" + (f", corrected for {family} claims)" if family > 1 else ")")

    if tests.below[claim] < LEVEL:
        return f"{found}, significantly below zero {p(tests.below[claim])}"
    judged = f"{'' if tests.above[claim] < LEVEL else 'not '}significantly above zero"
    judged += f" {p(tests.above[claim])}"
    if evidence.compared[claim]:
        off = average - number
        tolerance = max(evidence.fixed, 2 * float(evidence.errors[claim]))
        where = f"{abs(off):.2f} {'above' if off > 0 else 'below'} the paper's {number:+.1f}"
        if tests.outside[claim]:
            butnot = "" if tests.far[claim] < LEVEL else "but not "
            judged = f"{where} and so outside the tolerance of {tolerance:.2f}, "
            judged += f"{butnot}significantly {p(tests.far[claim], 'two-sided')}"
        else:
            judged = f"{where} and so within the tolerance of {tolerance:.2f}, {judged}"
    elif scale == PAPER_SCALE:
        judged += "; judged by its sign, the paper having no number on this dataset and split"
    if tests.no_large_effect[claim] and not np.isnan(number):
        judged += f"; within {number / 2:.2f} of zero, half of the paper's {number:+.1f}, "
        judged += f"significantly {p(tests.equivalent[claim], 'two one-sided tests:')}"
    return f"{found}, {judged}"
