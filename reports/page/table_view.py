"""A table on the page: what it shows, what qualifies it, where it comes from, and its claims."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from reports.claims import Assessment, of_table
from reports.definition import CellRef
from reports.formats.html import cell_id, render_html
from reports.page.document import Link, RunLinks, link_file
from reports.table import Table
from reports.vocabulary import Verdict
from reports.wording import tables as wording
from reports.wording.cells import effect_lines
from reports.wording.claims import prospects, signed

_FORMATS = (("Markdown", ".md"), ("LaTeX", ".tex"), ("CSV", ".csv"), ("HTML", ".html"))
# Beside the word, so that a verdict does not rest on its colour.
_MARKS = {
    Verdict.REPLICATED: "✔",
    Verdict.NOT_REPLICATED: "✘",
    Verdict.NO_LARGE_EFFECT: "<",
    Verdict.NO_ASSAY_SENSITIVITY: "?",
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
    """A claim's row: numbers are in AP points, signed, or `-`; `n` counts the seeds."""

    id: str
    number: str
    text: str
    source: str
    paper: str
    paper_source: str
    ours: str
    interval: str
    n: str
    seeds: str
    verdict: VerdictView
    reason: str
    prospects: tuple[str, ...]
    cells: tuple[Link, ...]
    runs: tuple[RunLinks, ...]


@dataclass(frozen=True)
class CellRuns:
    """A cell and the runs behind its number."""

    cell: str
    runs: tuple[RunLinks, ...]


@dataclass(frozen=True)
class TableView:
    """What the page says of a table; `rejected` are results left out, with the reason."""

    id: str
    name: str
    title: str
    fragment: Markup
    how_to_read: str
    warnings: tuple[str, ...]
    effects: tuple[str, ...]
    notes: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...]
    header: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    cells: tuple[CellRuns, ...]
    files: tuple[Link, ...]
    claims: tuple[ClaimView, ...]
    any_claim_run: bool


def view_verdict(verdict: Verdict) -> VerdictView:
    """Show a verdict."""
    return VerdictView(str(verdict), _MARKS[verdict], verdict.name.lower().replace("_", "-"))


def view_table(
    table: Table,
    assessments: Sequence[Assessment],
    runs: Mapping[str, RunLinks],
    page_folder: Path,
) -> TableView:
    """Prepare a table's section.

    Args:
        table: to show.
        assessments: of any tables; this one's are taken.
        runs: links by run's folder.
        page_folder: whose files of this table are linked, if they are there.
    """
    definition = table.definition
    fragment = Markup(render_html(table))  # which escapes every word itself
    anchors = {cell_id(table.name, one.row, one.column, one.metric) for one in table.cells}
    anchors = {anchor for anchor in anchors if f'id="{anchor}"' in fragment}
    # Those that were judged come first.
    own = sorted(of_table(table, assessments), key=lambda one: one.verdict is Verdict.NOT_RUN)
    folder = page_folder / table.scale
    files = (link_file(text, folder / f"{table.name}{end}", page_folder) for text, end in _FORMATS)
    return TableView(
        id=f"table-{table.name}",
        name=definition.name,
        title=definition.title,
        fragment=fragment,
        how_to_read=wording.how_to_read(table),
        warnings=tuple(wording.warnings(table)),
        effects=tuple(effect_lines(table)),
        notes=tuple(wording.notes(table)),
        rejected=tuple((one.path, one.reason) for one in table.rejected),
        header=tuple(wording.header(table)),
        sources=tuple(wording.sources(table)),
        cells=tuple(
            CellRuns(cell, tuple(runs.get(run, RunLinks(run, ())) for run in behind))
            for cell, behind in wording.provenance(table)
        ),
        files=tuple(link for link in files if link is not None),
        claims=tuple(_view_claim(table, one, runs, anchors) for one in own),
        any_claim_run=any(one.verdict is not Verdict.NOT_RUN for one in own),
    )


def _view_claim(
    table: Table, one: Assessment, runs: Mapping[str, RunLinks], anchors: Collection[str]
) -> ClaimView:
    number = table.definition.claim_number(one.claim.id)
    references = (one.claim.minuend, one.claim.subtrahend)
    cells = (_link(table, cell, one.claim.metric) for cell in references)
    return ClaimView(
        id=f"claim-{number.replace('.', '-')}",
        number=number,
        text=one.claim.text,
        source=one.claim.source,
        paper=signed(one.paper_difference, 1),
        paper_source=one.paper_source,
        ours=signed(one.mean, 2),
        interval="" if one.low is None else f"{signed(one.low, 2)} to {signed(one.high, 2)}",
        n=str(len(one.seeds)) if one.seeds else "",
        seeds=", ".join(map(str, one.seeds)),
        verdict=view_verdict(one.verdict),
        reason=one.reason,
        prospects=tuple(prospects(one)),
        cells=tuple(link for link in cells if link.href.removeprefix("#") in anchors),
        runs=tuple(runs.get(run, RunLinks(run, ())) for run in one.runs),
    )


def _link(table: Table, cell: CellRef, metric: str) -> Link:
    labels = {row.name: row.label for row in table.definition.rows}
    text = f"{labels[cell.row]}, {cell.column}"
    return Link(text, f"#{cell_id(table.name, cell.row, cell.column, metric)}")
