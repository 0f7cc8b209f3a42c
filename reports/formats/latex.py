"""A table as LaTeX with booktabs, to be pasted into a paper or read by its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.claims import Assessment
from reports.table import Table
from reports.trivial_masks import trivial_notes
from reports.wording import tables as wording
from reports.wording.cells import Grid, grid
from reports.wording.claims import claim_lines, how_to_read_claims

# Rows of more characters do not fit the lines of a page unless the table is scaled to them.
_MOST_CHARACTERS = 90
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "τ": r"$\tau$",
    "\u00a0": "~",
}
# Combining marks that every engine can put over a letter.
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0308": '"',
    "\u0327": "c",
    "\u030a": "r",
    "\u030c": "v",
}
_OPENING = re.compile(r'(?:(?<=[\s(\[])|^)"')
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


def render_latex(table: Table, assessments: Sequence[Assessment] = ()) -> str:
    """Write a float with the table, and one with the verdicts on its claims.

    Needs booktabs, and graphicx where the table is scaled to the page; comments above say so and
    where the numbers come from, comments below name the runs.

    Args:
        table: to write.
        assessments: of any tables; those of this one are written.
    """
    laid_out = grid(table)
    definition, claims = table.definition, claim_lines(table, assessments)
    facts = [f"{word}: {words}" for word, words in wording.header(table)]
    facts += [f"Left out: {one.path}: {one.reason}" for one in table.rejected]
    runs = [f"{cell}: {' '.join(runs)}" for cell, runs in wording.provenance(table)]
    runs += [f"claim {c.cells[0]} ({c.id}): {' '.join(c.runs)}" for c in claims if c.runs]
    return _TEMPLATES.get_template("table.tex.j2").render(
        table=table,
        caption=f"{definition.title} ({table.scale} scale). {definition.caption}",
        grid=laid_out,
        wide=_characters(laid_out) > _MOST_CHARACTERS,
        facts=[*facts, *wording.notes(table)],
        notes=_note(table),
        claims=claims,
        how_to_read_claims=how_to_read_claims(table.scale),
        runs=runs,
    )


def text(words: str) -> str:
    """Escape text for LaTeX; characters that it could not set become question marks.

    A hyphen before a number that follows no word is set as a minus sign.
    """
    one_line = _OPENING.sub("“", " ".join(words.split()))
    return "".join(_character(character) for character in _MINUS.sub("−", one_line))


def comment(words: str) -> str:
    """Keep text on the line of its comment."""
    return "% " + " ".join(words.split())


def _characters(laid_out: Grid) -> int:
    """Estimate how long the table's lines are; the space beside a column counts as two."""
    length = max(len(row.label) for row, _ in laid_out.lines) + 2
    columns = zip(*(line for _, line in laid_out.lines), strict=True)
    for group in laid_out.groups:
        widths = [
            max(len(kind), *(len(entry.text) for entry in next(columns))) + 2
            for kind in group.kinds
        ]
        length += max(sum(widths), len(group.heading) + 2)
    return length


def _note(table: Table) -> list[str]:
    """Give sentences on where the numbers are from and how to read them."""
    sentences = [f"Ours: {table.scale} scale, {table.scale_label}."]
    if wording.shows_paper(table):
        sources = "; ".join(wording.sources(table)) or "none found"
        label = wording.paper_label(table).removeprefix("paper").strip()
        sentences.append(f"Paper{f' {label}' if label else ''}; sources: {sources}.")
    sentences += [wording.how_to_read(table), *wording.warnings(table)]
    sentences += [*wording.row_notes(table.definition), *trivial_notes(table)]
    if table.rejected:
        sentences.append(f"Results left out: {len(table.rejected)}.")
    facts = f"newest run {wording.newest_run(table.newest_run)}, boxseg {table.suite_version}"
    return [*sentences, f"Made by {table.command}; {facts}."]


def _cell(words: str) -> str:
    """Escape a cell; a row that began with [ would be read as an option of the line before."""
    escaped = text(words)
    return f"{{}}{escaped}" if escaped.startswith("[") else escaped


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else "?"
    parts = unicodedata.normalize("NFD", character)
    letter, mark = parts[0], parts[1:]
    if letter.isascii() and letter.isalpha() and mark in _ACCENTS:
        return f"\\{_ACCENTS[mark]}{{{letter}}}"
    return "?"


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    # LaTeX has braces and per cents of its own.
    block_start_string="<%",
    block_end_string="%>",
    variable_start_string="<<",
    variable_end_string=">>",
    comment_start_string="<#",
    comment_end_string="#>",
)
_TEMPLATES.filters.update(tex=text, comment=comment, cell=_cell)
