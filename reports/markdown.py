"""A table as Markdown."""

from __future__ import annotations

from reports import wording
from reports.table import Table


def render_markdown(table: Table) -> str:
    """Write the header, the table, and everything needed to trace its numbers."""
    definition = table.definition
    lines = [f"# {definition.name}: {_text(definition.title)}", "", _text(definition.caption), ""]
    lines += [_text(wording.how_to_read(table)), ""]
    for word, text in wording.header(table):
        lines.append(f"- {word}: " + (_code(text) if word == "Command" else _text(text)))
    lines += [""] + [f"**{_text(warning)}**\n" for warning in wording.warnings(table)]
    lines += _rows(table)
    lines += _section("Notes", [_text(note) for note in wording.notes(table)])
    lines += _section(
        "Results left out", [f"{_code(one.path)}: {_text(one.reason)}" for one in table.rejected]
    )
    lines += _section(
        "Sources of the paper's numbers", [_text(one) for one in wording.sources(table)]
    )
    lines += _section(
        "Runs behind our numbers",
        [
            f"{_text(cell)}: {', '.join(_code(run) for run in runs)}"
            for cell, runs in wording.provenance(table)
        ],
    )
    return "\n".join(lines) + "\n"


def _rows(table: Table) -> list[str]:
    definition = table.definition
    difference = wording.shows_difference(table)
    head = ["Method"]
    for column in definition.columns:
        for metric in definition.metrics:
            name = wording.heading(table, column.label, metric)
            if wording.shows_paper(table):
                head.append(f"{name}, {wording.paper_label(table)}")
            head.append(f"{name}, {wording.ours_label(table)}")
            if difference:
                head.append(f"{name}, difference")
    lines = [_line(head), "|:---|" + "---:|" * (len(head) - 1)]
    for row in definition.rows:
        parts = [row.label]
        for cell in (cell for cell in table.cells if cell.row == row.name):
            if wording.shows_paper(table):
                parts.append(wording.paper_number(cell))
            parts.append(wording.our_number(cell))
            if difference:
                parts.append(wording.difference(cell))
        lines.append(_line(parts))
    return lines


def _section(title: str, items: list[str]) -> list[str]:
    return ["", f"{title}:", "", *(f"- {item}" for item in items)] if items else []


def _line(parts: list[str]) -> str:
    return "| " + " | ".join(_text(part) for part in parts) + " |"


def _text(text: str) -> str:
    """Keep text on its line, inside its cell, and free of markup that it did not mean."""
    for special in "\\|<*`[":
        text = text.replace(special, f"\\{special}")
    return " ".join(text.split())


def _code(text: str) -> str:
    return f"`{' '.join(text.replace('`', '').split())}`"
