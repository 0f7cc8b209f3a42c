"""A table as a fragment of HTML, and with all that explains it as a section."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.claims import Assessment
from reports.table import Table
from reports.wording import tables as wording
from reports.wording.cells import effect_lines, grid
from reports.wording.claims import HEAD, claim_lines, how_to_read_claims


def environment(folder: Path) -> Environment:
    """Give a Jinja environment for the HTML templates of a folder.

    Every word put into a template is escaped, and a name that was not given is an error.
    """
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


_TEMPLATES = environment(Path(__file__).parent)


def cell_id(table: str, row: str, column: str, metric: str) -> str:
    """Give the `id` of the table cell that holds our number."""
    return f"cell-{table}-{row}-{column}-{metric}"


def render_html(table: Table) -> str:
    """Write a `<table>`: its caption, headings with a scope, and an id per number of ours.

    Every word is escaped. `data-runs` of a cell are the folders of the runs behind it, separated by
    blanks.
    """
    template = _TEMPLATES.get_template("table.html.j2")
    return template.render(table=table, grid=grid(table), cell_id=cell_id)


def render_html_section(table: Table, assessments: Sequence[Assessment] = ()) -> str:
    """Write a `<section>`: header, table, claims, notes, sources and runs.

    Args:
        table: to write.
        assessments: of any tables; those of this one are written.
    """
    return _TEMPLATES.get_template("section.html.j2").render(
        table=table,
        fragment=Markup(render_html(table)),
        wording=wording,
        effects=effect_lines(table),
        claims=claim_lines(table, assessments),
        claims_head=HEAD,
        how_to_read_claims=how_to_read_claims(table.scale),
        rejected=[f"{one.path}: {one.reason}" for one in table.rejected],
        runs=[f"{cell}: {', '.join(runs)}" for cell, runs in wording.provenance(table)],
    )
