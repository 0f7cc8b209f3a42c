"""A table as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from reports import wording
from reports.claim_wording import HEAD, ClaimLine, claim_lines, how_to_read_claims
from reports.claims import Assessment
from reports.grid import grid
from reports.markdown_syntax import code, section, text
from reports.markdown_syntax import table as lines_of_table
from reports.table import Table


def render_markdown(table: Table, assessments: Sequence[Assessment] = ()) -> str:
    """Write the header, the table, its claims, and everything needed to trace the numbers.

    Args:
        table: to write.
        assessments: of any tables; those of this one are written.
    """
    definition = table.definition
    lines = [f"# {definition.name}: {text(definition.title)}", "", text(definition.caption), ""]
    lines += [text(wording.how_to_read(table)), ""]
    for word, words in wording.header(table):
        lines.append(f"- {word}: " + (code(words) if word == "Command" else text(words)))
    lines += [""] + [f"**{text(warning)}**\n" for warning in wording.warnings(table)]
    lines += _rows(table)
    claims = claim_lines(table, assessments)
    if claims:
        lines += ["", "## Claims", "", text(how_to_read_claims(table.scale)), ""]
        lines += claims_table(claims)
    lines += section("Notes", [text(note) for note in wording.notes(table)])
    lines += section(
        "Results left out", [f"{code(one.path)}: {text(one.reason)}" for one in table.rejected]
    )
    lines += section(
        "Sources of the paper's numbers", [text(one) for one in wording.sources(table)]
    )
    lines += section(
        "Runs behind our numbers",
        [
            f"{text(cell)}: {', '.join(code(run) for run in runs)}"
            for cell, runs in wording.provenance(table)
        ],
    )
    lines += section("Runs behind the claims", runs_of_claims(claims))
    return "\n".join(lines) + "\n"


def claims_table(claims: Sequence[ClaimLine]) -> list[str]:
    """Write the lines of a table of claims."""
    return lines_of_table(HEAD, [claim.cells for claim in claims], left=(0, 1, 4, 5))


def runs_of_claims(claims: Sequence[ClaimLine]) -> list[str]:
    """Name the runs of each claim that has any; what a section takes."""
    return [
        f"{text(claim.cells[0])} {code(claim.id)}: {', '.join(code(run) for run in claim.runs)}"
        for claim in claims
        if claim.runs
    ]


def _rows(table: Table) -> list[str]:
    laid_out = grid(table)
    labels = {
        "paper": wording.paper_label(table),
        "ours": wording.ours_label(table),
        "difference": "difference",
    }
    head = ["Method"]
    head += [f"{g.heading}, {labels[kind]}" for g in laid_out.groups for kind in g.kinds]
    rows = [[row.label, *(entry.text for entry in line)] for row, line in laid_out.lines]
    return lines_of_table(head, rows, left=(0,))
