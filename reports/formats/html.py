"""A table as a fragment of HTML, and with all that explains it as a section."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from reports.claims import Assessment
from reports.table import Table
from reports.wording import tables as wording
from reports.wording.cells import Entry, grid
from reports.wording.claims import HEAD, ClaimLine, claim_lines, how_to_read_claims


def cell_id(table: str, row: str, column: str, metric: str) -> str:
    """Give the `id` of the table cell that holds our number."""
    return f"cell-{table}-{row}-{column}-{metric}"


def render_html(table: Table) -> str:
    """Write a `<table>`: its caption, headings with a scope, and an id per number of ours.

    Every word is escaped. `data-runs` of a cell are the folders of the runs behind it, separated by
    blanks.
    """
    laid_out, scale = grid(table), escape(table.scale)
    above = ['<th scope="col" rowspan="2">Method</th>']
    below = []
    for group in laid_out.groups:
        heading = escape(group.heading)
        above.append(f'<th scope="colgroup" colspan="{len(group.kinds)}">{heading}</th>')
        below += [f'<th scope="col">{escape(laid_out.labels[kind])}</th>' for kind in group.kinds]
    lines = [
        f'<table class="results" data-table="{escape(table.name)}" data-scale="{scale}">',
        f"<caption>{escape(table.definition.caption)}</caption>",
        "<colgroup></colgroup>",
        *(f'<colgroup span="{len(group.kinds)}"></colgroup>' for group in laid_out.groups),
        "<thead>",
        f"<tr>{''.join(above)}</tr>",
        f"<tr>{''.join(below)}</tr>",
        "</thead>",
        "<tbody>",
    ]
    for row, entries in laid_out.lines:
        cells = "".join(_cell(table, entry) for entry in entries)
        lines.append(f'<tr><th scope="row">{escape(row.label)}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody>", "</table>"]) + "\n"


def render_html_section(table: Table, assessments: Sequence[Assessment] = ()) -> str:
    """Write a `<section>`: header, table, claims, notes, sources and runs.

    Args:
        table: to write.
        assessments: of any tables; those of this one are written.
    """
    definition = table.definition
    lines = [
        "<section>",
        f"<h2>{escape(definition.name)}: {escape(definition.title)}</h2>",
        f"<p>{escape(wording.how_to_read(table))}</p>",
        "<dl>",
        *(f"<dt>{escape(w)}</dt><dd>{escape(words)}</dd>" for w, words in wording.header(table)),
        "</dl>",
        *(f"<p><strong>{escape(warning)}</strong></p>" for warning in wording.warnings(table)),
        render_html(table).rstrip("\n"),
    ]
    claims = claim_lines(table, assessments)
    if claims:
        lines += ["<h3>Claims</h3>", f"<p>{escape(how_to_read_claims(table.scale))}</p>"]
        lines += _claims(table, claims)
    lines += _list("Notes", wording.notes(table))
    lines += _list("Results left out", [f"{one.path}: {one.reason}" for one in table.rejected])
    lines += _list("Sources of the paper's numbers", wording.sources(table))
    runs = [f"{cell}: {', '.join(runs)}" for cell, runs in wording.provenance(table)]
    lines += _list("Runs behind our numbers", runs)
    return "\n".join([*lines, "</section>"]) + "\n"


def _cell(table: Table, entry: Entry) -> str:
    cell, attributes = entry.cell, f'class="{entry.kind}"'
    if entry.kind == "ours":
        name = cell_id(table.name, cell.row, cell.column, cell.metric)
        attributes += f' id="{escape(name)}"'
        if cell.runs:
            attributes += f' data-runs="{escape(" ".join(cell.runs))}"'
    elif entry.kind == "paper" and cell.paper is not None:
        attributes += f' title="{escape(cell.paper.source)}"'
    return f"<td {attributes}>{escape(entry.text)}</td>"


def _claims(table: Table, claims: Sequence[ClaimLine]) -> list[str]:
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in HEAD)
    lines = [
        '<table class="claims">',
        f"<caption>Verdicts on the claims of {escape(table.name)}</caption>",
        f"<thead><tr>{head}</tr></thead>",
        "<tbody>",
    ]
    for claim in claims:
        number, *rest = claim.cells
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        runs = escape(" ".join(claim.runs))
        lines.append(
            f'<tr data-claim="{escape(claim.id)}" data-runs="{runs}">'
            f'<th scope="row">{escape(number)}</th>{cells}</tr>'
        )
    return [*lines, "</tbody>", "</table>"]


def _list(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    return [f"<h3>{title}</h3>", "<ul>", *(f"<li>{escape(item)}</li>" for item in items), "</ul>"]
