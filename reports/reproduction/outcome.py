"""What became of a table of the paper at one scale, in one word, by a rule on its verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.claims import Assessment, counted_once, of_table
from reports.table import Table
from reports.vocabulary import Lack, Outcome, Verdict


@dataclass(frozen=True)
class TableOutcome:
    """What became of a table at a scale, in a word; `detail` counts cells and verdicts."""

    status: Outcome
    detail: str


def outcome(table: Table, assessments: Sequence[Assessment]) -> TableOutcome:
    """Judge a table at its scale.

    Not attempted: no cell has a run. Outdated: those that there are were made with another
    configuration than today's, and say nothing of it. Replicated: every claim is. Contradicted: at
    least one claim is not replicated and none is. Partial: everything else, so also a table whose
    runs decide nothing yet.
    """
    filled = {(cell.row, cell.column) for cell in table.cells if cell.runs}
    cells = {(cell.row, cell.column) for cell in table.cells}
    verdicts = Counter(one.verdict for one in counted_once(of_table(table, assessments)))
    detail = f"{len(filled)} of {len(cells)} cells have runs"
    if verdicts:
        counts = (f"{verdicts[one]} {one}" for one in Verdict if verdicts[one])
        detail += f"; {verdicts.total()} claims: {', '.join(counts)}"
    if not filled:
        outdated = any(cell.absence and cell.absence.label is Lack.OUTDATED for cell in table.cells)
        return TableOutcome(Outcome.OUTDATED if outdated else Outcome.NOT_ATTEMPTED, detail)
    return TableOutcome(_status(verdicts), detail)


def _status(verdicts: Counter[Verdict]) -> Outcome:
    replicated = verdicts[Verdict.REPLICATED]
    if verdicts and replicated == verdicts.total():
        return Outcome.REPLICATED
    if verdicts[Verdict.NOT_REPLICATED] and not replicated:
        return Outcome.CONTRADICTED
    return Outcome.PARTIAL
