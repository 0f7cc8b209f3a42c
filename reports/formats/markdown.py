"""Tables and claims as Markdown, and the pieces of Markdown that keep any text in its place.

Tables of Markdown are written here, not by tabulate: that pads every cell of a column to the width
of its longest sentence, so that one verdict's reason would change each line of a recorded table.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports.claims import Assessment, counted_once, of_table
from reports.table import Table
from reports.wording import tables as wording
from reports.wording.cells import effect_lines, grid
from reports.wording.claims import (
    HEAD,
    ClaimLine,
    claim_lines,
    count_verdicts,
    how_to_read_claims,
)


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
    lines += rows_table(table)
    claims = claim_lines(table, assessments)
    if claims:
        lines += ["", "## Claims", "", text(how_to_read_claims(table.scale)), ""]
        lines += _claims_table(claims)
    effects = [text(one) for one in effect_lines(table)]
    lines += _section("Differences from the reference", effects)
    lines += _section("Notes", [text(note) for note in wording.notes(table)])
    lines += _section(
        "Results left out", [f"{code(one.path)}: {text(one.reason)}" for one in table.rejected]
    )
    lines += _section(
        "Sources of the paper's numbers", [text(one) for one in wording.sources(table)]
    )
    lines += _section(
        "Runs behind our numbers",
        [
            f"{text(cell)}: {', '.join(code(run) for run in runs)}"
            for cell, runs in wording.provenance(table)
        ],
    )
    lines += _section("Runs behind the claims", _runs_of_claims(claims))
    return "\n".join(lines) + "\n"


def render_claims_markdown(tables: Sequence[Table], assessments: Sequence[Assessment]) -> str:
    """Write the verdicts, table by table, below how many there are of each.

    Args:
        tables: of one scale, at least one.
        assessments: of these tables.
    """
    first = tables[0]
    own = [one for table in tables for one in of_table(table, assessments)]
    counts, once = count_verdicts(own), counted_once(own)
    newest = max((table.newest_run for table in tables if table.newest_run), default=None)
    lines = [
        f"# Claims of the paper, judged at {text(first.scale)} scale",
        "",
        text(how_to_read_claims(first.scale)),
        "",
        f"- Command: {code(first.command)}",
        f"- Scale: {text(first.scale)}: {text(first.scale_label)}",
        f"- Newest run: {wording.newest_run(newest)}",
        f"- Suite: boxseg {text(first.suite_version)}",
        "- Verdicts: " + ", ".join(f"{count} {text(verdict)}" for verdict, count in counts.items()),
        *_how_counted(len(own), len(once)),
    ]
    behind: list[str] = []
    for table in tables:
        claims = claim_lines(table, assessments)
        if claims:
            lines += ["", f"## {table.name}: {text(table.definition.title)}", ""]
            lines += _claims_table(claims)
            behind += _runs_of_claims(claims)
    lines += _section("Runs behind the claims", behind)
    return "\n".join(lines) + "\n"


def text(words: str) -> str:
    """Keep text on its line, inside its cell, and free of markup that it did not mean."""
    for special in "\\|<*`[":
        words = words.replace(special, f"\\{special}")
    return " ".join(words.split())


def written(words: str) -> str:
    """Keep Markdown that a person wrote on its line and in its cell; its markup is meant."""
    return " ".join(words.split()).replace("|", "\\|")


def code(words: str) -> str:
    """Set text as code, on one line."""
    return f"`{' '.join(words.replace('`', '').split())}`"


def table_lines(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> list[str]:
    """Write the lines of a table.

    Args:
        head: of each column; Markdown already, as all cells are.
        rows: as many cells each.
        right: places of the columns that are set to the right.
    """
    rule = ["---:" if place in right else ":---" for place in range(len(head))]
    return [_line(cells) for cells in (head, rule, *rows)]


def items(body: Sequence[str]) -> list[str]:
    """Write the lines of a list; items are Markdown already."""
    return [f"- {item}" for item in body]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _section(title: str, body: Sequence[str]) -> list[str]:
    """Write a list below its title, or nothing without items."""
    return ["", f"{title}:", "", *items(body)] if body else []


def rows_table(table: Table) -> list[str]:
    """Write the rows of a table below their headings."""
    laid_out = grid(table)
    head = ["Method"]
    head += [f"{g.heading}, {laid_out.labels[kind]}" for g in laid_out.groups for kind in g.kinds]
    rows = [[row.label, *(entry.text for entry in line)] for row, line in laid_out.lines]
    return table_lines(
        [text(word) for word in head],
        [[text(cell) for cell in row] for row in rows],
        right=range(1, len(head)),
    )


def _claims_table(claims: Sequence[ClaimLine]) -> list[str]:
    return table_lines(
        HEAD, [[text(cell) for cell in claim.cells] for claim in claims], right=(2, 3)
    )


def _how_counted(claims: int, counted: int) -> list[str]:
    """Say how many claims rest on the same two cells as another, if any does."""
    if claims == counted:
        return []
    return [
        f"- Counted: {counted} of {claims} claims; the others rest on the same two cells as one "
        "of these, in another table"
    ]


def _runs_of_claims(claims: Sequence[ClaimLine]) -> list[str]:
    """Name the runs of each claim that has any."""
    return [
        f"{text(claim.cells[0])} {code(claim.id)}: {', '.join(code(run) for run in claim.runs)}"
        for claim in claims
        if claim.runs
    ]
