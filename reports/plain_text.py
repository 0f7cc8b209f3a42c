"""A table, and the state of its runs, for the terminal."""

from __future__ import annotations

import textwrap

from reports import wording
from reports.definition import TableDefinition
from reports.status import Statuses
from reports.table import Table

_WIDTH = 100


def render_text(table: Table) -> str:
    """Write the table in aligned columns, with its header above and its notes below."""
    definition = table.definition
    difference = wording.shows_difference(table)
    above, head = [""], ["method"]
    for column in definition.columns:
        for metric in definition.metrics:
            name = wording.heading(table, column.label, metric)
            words = ["paper"] * wording.shows_paper(table) + ["ours"] + ["difference"] * difference
            above += [name] * len(words)
            head += words
    lines = [above, head]
    for row in definition.rows:
        parts = [row.label]
        for cell in (cell for cell in table.cells if cell.row == row.name):
            if wording.shows_paper(table):
                parts.append(wording.paper_number(cell))
            parts.append(wording.our_number(cell))
            if difference:
                parts.append(wording.difference(cell))
        lines.append(parts)
    text = [f"{definition.name}: {definition.title}", ""]
    text += [f"{word + ':':<21}{part}" for word, part in wording.header(table)]
    columns = [wording.paper_label(table)] * wording.shows_paper(table) + [
        wording.ours_label(table)
    ]
    text += [f"{'Columns' + ':':<21}{', '.join(columns)}", ""]
    text += [_wrap(warning) for warning in wording.warnings(table)]
    text += [*_aligned(lines, rule_after=2), "", _wrap(wording.how_to_read(table))]
    notes = wording.notes(table)
    notes += [f"left out: {one.path}: {one.reason}." for one in table.rejected]
    if notes:
        text += ["", *(_wrap(f"- {note}") for note in notes)]
    return "\n".join(text) + "\n"


def render_status(definition: TableDefinition, statuses: Statuses, scale: str) -> str:
    """Write a line per run: its row, column, seed, state, what is known of it, its log.

    Below a run that ended badly stand the last lines of its log.
    """
    lines = [["row", "column", "seed", "state", ""]]
    tails: dict[int, tuple[str, ...]] = {}
    for row in definition.rows:
        if row.unavailable is not None:
            lines.append([row.name, "", "", "not yet available", row.unavailable])
        for key, status in statuses.items():
            if key.row == row.name:
                log = f"log: {status.log}" if status.log else ""
                detail = "; ".join(part for part in (status.reason.rstrip("."), log) if part)
                lines.append([key.row, key.column, str(key.seed), status.state, detail])
                tails[len(lines)] = status.tail  # the line of the rule comes first
    text = [f"{definition.name} ({scale}): {definition.title}", ""]
    for number, line in enumerate(_aligned(lines, rule_after=1, left=(0, 1, 3, 4))):
        text.append(line)
        text += [f"    | {last}" for last in tails.get(number, ())]
    return "\n".join(text) + "\n"


def _aligned(lines: list[list[str]], rule_after: int, left: tuple[int, ...] = (0,)) -> list[str]:
    """Pad to common widths; columns in `left` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(
            part.ljust(width) if place in left else part.rjust(width)
            for place, (part, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return [*text[:rule_after], "-" * max(map(len, text)), *text[rule_after:]]


def _wrap(text: str) -> str:
    indent = "  " if text.startswith("- ") else ""
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
