"""How a claim and its verdict read, the same in every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.cell_wording import bounds
from reports.claim_numbers import claim_number
from reports.claims import Assessment
from reports.statistics import Interval
from reports.table import PAPER_SCALE, Table
from reports.verdict import LEAST_SEEDS, SMOKE_SCALE

HEAD = ("Claim", "Statement", "Paper", "Ours", "Verdict", "Why")


@dataclass(frozen=True)
class ClaimLine:
    """What is shown of a claim: `cells` reads as `HEAD`; `runs` are behind its difference."""

    id: str
    cells: tuple[str, ...]
    runs: tuple[str, ...]


def claim_lines(table: Table, assessments: Sequence[Assessment]) -> list[ClaimLine]:
    """Give a line for each of the assessments that belong to this table at its scale."""
    return [
        ClaimLine(
            one.claim.id,
            (
                claim_number(table.definition, one.claim.id),
                one.claim.text,
                "-" if one.paper_difference is None else f"{one.paper_difference:+z.1f}",
                our_difference(one),
                str(one.verdict),
                f"{one.reason}.",
            ),
            one.runs,
        )
        for one in of_table(table, assessments)
    ]


def of_table(table: Table, assessments: Sequence[Assessment]) -> list[Assessment]:
    """Choose the assessments of a table at its scale."""
    return [one for one in assessments if (one.table, one.scale) == (table.name, table.scale)]


def our_difference(one: Assessment) -> str:
    """Write `+0.60 [0.12, 1.08] (n=3)`, or `-` where nothing was measured."""
    if one.mean is None:
        return "-"
    interval = ""
    if one.low is not None and one.high is not None:
        interval = f" {bounds(Interval(one.low, one.high), 2)}"
    return f"{one.mean:+z.2f}{interval} (n={len(one.seeds)})"


def how_to_read_claims(scale: str) -> str:
    """Explain the numbers and the verdicts of one scale."""
    text = (
        "Each claim says that one cell is better than another. Ours is the mean of the "
        "differences between their runs, paired by seed, in points, with the 95% interval of that "
        "mean (Student's t over seeds; n: the number of pairs). "
    )
    if scale == SMOKE_SCALE:
        return text + (
            "Smoke scale is no evidence, for or against: it only shows that the rows run."
        )
    text += (
        "A verdict rests on a one-sided paired t test at 5%, each claim alone: of twenty claims "
        "with no effect behind them, one reads as replicated by chance. The interval is two-sided, "
        "so it may include zero where the test does not. "
        f'Below {LEAST_SEEDS} pairs the verdict is "single run". '
    )
    if scale == PAPER_SCALE:
        return text + (
            "Where the paper gives a number on the same data, the mean has to be within "
            "max(0.3 AP, or 1.0 AP on VOC, 2 sd / sqrt(n)) of it as well."
        )
    return text + (
        f"At {scale} scale the data and the backbone are not the paper's: judged is whether there "
        "is a difference and which sign it has, not its size."
    )
