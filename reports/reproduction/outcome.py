"""What became of a table of the paper at one scale, in one word, by a rule on its verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from reports.claim_wording import of_table
from reports.claims import Assessment, Verdict
from reports.table import Table


class Status(StrEnum):
    """As shown to the reader."""

    REPLICATED = "replicated"
    PARTIAL = "partial"
    CONTRADICTED = "contradicted"
    NOT_ATTEMPTED = "not attempted"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True)
class Outcome:
    """A table's status at a scale; `detail` counts cells and verdicts."""

    status: Status
    detail: str


def outcome(table: Table, assessments: Sequence[Assessment]) -> Outcome:
    """Judge a table at its scale.

    Not attempted: no cell has a run. Replicated: every claim is. Contradicted: at least one claim
    is not replicated and none is. Partial: everything else, so also a table whose runs decide
    nothing yet.
    """
    filled = {(cell.row, cell.column) for cell in table.cells if cell.runs}
    cells = {(cell.row, cell.column) for cell in table.cells}
    verdicts = Counter(one.verdict for one in of_table(table, assessments))
    detail = f"{len(filled)} of {len(cells)} cells have runs"
    if verdicts:
        counts = (f"{verdicts[one]} {one}" for one in Verdict if verdicts[one])
        detail += f"; {verdicts.total()} claims: {', '.join(counts)}"
    return Outcome(_status(bool(filled), verdicts), detail)


def _status(has_runs: bool, verdicts: Counter[Verdict]) -> Status:
    if not has_runs:
        return Status.NOT_ATTEMPTED
    replicated = verdicts[Verdict.REPLICATED]
    if verdicts and replicated == verdicts.total():
        return Status.REPLICATED
    if verdicts[Verdict.NOT_REPLICATED] and not replicated:
        return Status.CONTRADICTED
    return Status.PARTIAL
