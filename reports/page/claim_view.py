"""The verdicts as the page shows them: text, signed numbers, and where their cells are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reports.claim_numbers import claim_number
from reports.claims import Assessment, Verdict
from reports.definition import CellRef
from reports.html_table import cell_id
from reports.page.run_links import Link, RunLinks
from reports.table import Table

# Beside the word, so that a verdict does not rest on its colour.
_MARKS = {
    Verdict.REPLICATED: "✔",
    Verdict.NOT_REPLICATED: "✘",
    Verdict.INCONCLUSIVE: "≈",
    Verdict.SINGLE_RUN: "1",
    Verdict.NOT_RUN: "○",
}


@dataclass(frozen=True)
class VerdictView:
    """A verdict: its word, its mark, and the name that the style sheet knows it by."""

    word: str
    mark: str
    style: str


@dataclass(frozen=True)
class ClaimView:
    """A claim's row; numbers are in AP points, signed, or `-`."""

    id: str
    number: str
    text: str
    source: str
    paper: str
    paper_source: str
    ours: str
    interval: str
    seeds: str
    verdict: VerdictView
    reason: str
    cells: tuple[Link, ...]
    runs: tuple[RunLinks, ...]


def view_verdict(verdict: Verdict) -> VerdictView:
    """Show a verdict."""
    return VerdictView(str(verdict), _MARKS[verdict], str(verdict).replace(" ", "-"))


def view_claims(
    table: Table,
    assessments: Sequence[Assessment],
    runs: Mapping[str, RunLinks],
    anchors: Collection[str],
) -> list[ClaimView]:
    """Show the verdicts on a table's claims.

    Args:
        table: whose claims.
        assessments: of this table.
        runs: links by run's folder; a run without links is named.
        anchors: ids of the cells that the page has.
    """
    return [_view(table, one, runs, anchors) for one in assessments]


def _view(
    table: Table, one: Assessment, runs: Mapping[str, RunLinks], anchors: Collection[str]
) -> ClaimView:
    number = claim_number(table.definition, one.claim.id)
    references = (one.claim.minuend, one.claim.subtrahend)
    cells = (_link(table, cell, one.claim.metric) for cell in references)
    return ClaimView(
        id=f"claim-{number.replace('.', '-')}",
        number=number,
        text=one.claim.text,
        source=one.claim.source,
        paper=_signed(one.paper_difference, digits=1),
        paper_source=one.paper_source,
        ours=_signed(one.mean),
        interval="" if one.low is None else f"{_signed(one.low)} to {_signed(one.high)}",
        seeds=", ".join(map(str, one.seeds)),
        verdict=view_verdict(one.verdict),
        reason=one.reason,
        cells=tuple(link for link in cells if link.href.removeprefix("#") in anchors),
        runs=tuple(runs.get(run, RunLinks(run, ())) for run in one.runs),
    )


def _link(table: Table, cell: CellRef, metric: str) -> Link:
    labels = {row.name: row.label for row in table.definition.rows}
    text = f"{labels[cell.row]}, {cell.column}"
    return Link(text, f"#{cell_id(table.name, cell.row, cell.column, metric)}")


def _signed(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:+z.{digits}f}"
