"""A table's section of the page: what it shows, what qualifies it, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from reports import wording
from reports.claims import Assessment, Verdict
from reports.html_table import cell_id, render_html
from reports.page.claim_view import ClaimView, view_claims
from reports.page.run_links import Link, RunLinks, link_file
from reports.table import Table

_FORMATS = (("Markdown", ".md"), ("LaTeX", ".tex"), ("CSV", ".csv"), ("HTML", ".html"))


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
    notes: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...]
    header: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    cells: tuple[CellRuns, ...]
    files: tuple[Link, ...]
    claims: tuple[ClaimView, ...]
    any_claim_run: bool


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
    # render_html escapes every word itself.
    fragment = Markup(render_html(table))
    anchors = {cell_id(table.name, one.row, one.column, one.metric) for one in table.cells}
    anchors = {anchor for anchor in anchors if f'id="{anchor}"' in fragment}
    own = [one for one in assessments if (one.table, one.scale) == (table.name, table.scale)]
    folder = page_folder / table.scale
    files = (link_file(text, folder / f"{table.name}{end}", page_folder) for text, end in _FORMATS)
    return TableView(
        id=f"table-{table.name}",
        name=definition.name,
        title=definition.title,
        fragment=fragment,
        how_to_read=wording.how_to_read(table),
        warnings=tuple(wording.warnings(table)),
        notes=tuple(wording.notes(table)),
        rejected=tuple((one.path, one.reason) for one in table.rejected),
        header=tuple(wording.header(table)),
        sources=tuple(wording.sources(table)),
        cells=tuple(
            CellRuns(cell, tuple(runs.get(run, RunLinks(run, ())) for run in behind))
            for cell, behind in wording.provenance(table)
        ),
        files=tuple(link for link in files if link is not None),
        claims=tuple(view_claims(table, own, runs, anchors)),
        any_claim_run=any(one.verdict is not Verdict.NOT_RUN for one in own),
    )
