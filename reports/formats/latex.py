"""A table as LaTeX with booktabs, to be pasted into a paper or read by its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from reports.claims import Assessment
from reports.table import Table
from reports.wording import tables as wording
from reports.wording.cells import Grid, grid
from reports.wording.claims import ClaimLine, claim_lines, how_to_read_claims

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
    wide = _characters(laid_out) > _MOST_CHARACTERS
    packages = "booktabs and graphicx" if wide else "booktabs"
    lines = [comment(f"Needs \\usepackage of {packages}.")]
    lines += [comment(f"{word}: {words}") for word, words in wording.header(table)]
    lines += [comment(f"Left out: {one.path}: {one.reason}") for one in table.rejected]
    lines += [comment(note) for note in wording.notes(table)]
    lines += _float(table, laid_out, wide)
    claims = claim_lines(table, assessments)
    if claims:
        lines += _claims_float(table, claims)
    lines.append(comment("Runs behind our numbers:"))
    lines += [comment(f"{cell}: {' '.join(runs)}") for cell, runs in wording.provenance(table)]
    lines += [comment(f"claim {c.cells[0]} ({c.id}): {' '.join(c.runs)}") for c in claims if c.runs]
    return "\n".join(lines) + "\n"


def text(words: str) -> str:
    """Escape text for LaTeX; characters that it could not set become question marks.

    A hyphen before a number that follows no word is set as a minus sign.
    """
    one_line = _OPENING.sub("“", " ".join(words.split()))
    return "".join(_character(character) for character in _MINUS.sub("−", one_line))


def comment(words: str) -> str:
    """Keep text on the line of its comment."""
    return "% " + " ".join(words.split())


def _float(table: Table, laid_out: Grid, wide: bool) -> list[str]:
    definition = table.definition
    caption = f"{definition.title} ({table.scale} scale). {definition.caption}"
    # \resizebox takes a whole tabular as its argument.
    start, end = (["\\resizebox{\\linewidth}{!}{%"], ["}"]) if wide else ([], [])
    return [
        "\\begin{table}[t]",
        "\\centering",
        f"\\caption{{{text(caption)}}}",
        f"\\label{{tab:{definition.name}-{table.scale}}}",
        "\\footnotesize",
        "\\setlength{\\tabcolsep}{4pt}",
        *start,
        *_tabular(laid_out),
        *end,
        "\\par\\smallskip",
        f"\\parbox{{\\linewidth}}{{\\footnotesize {' '.join(_note(table))}}}",
        "\\end{table}",
    ]


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


def _tabular(laid_out: Grid) -> list[str]:
    """Write heads in two lines: the groups, and below each what its columns are."""
    above, rules, place = [""], [], 2
    for group in laid_out.groups:
        width = len(group.kinds)
        above.append(f"\\multicolumn{{{width}}}{{c}}{{{text(group.heading)}}}")
        rules.append(f"\\cmidrule(lr){{{place}-{place + width - 1}}}")
        place += width
    kinds = [kind for group in laid_out.groups for kind in group.kinds]
    rows = [
        _row([text(row.label), *(text(entry.text) for entry in line)])
        for row, line in laid_out.lines
    ]
    return [
        f"\\begin{{tabular}}{{l{'r' * len(kinds)}}}",
        "\\toprule",
        _row(above),
        "".join(rules),
        _row(["Method", *kinds]),
        "\\midrule",
        *rows,
        "\\bottomrule",
        "\\end{tabular}",
    ]


def _note(table: Table) -> list[str]:
    """Give sentences on where the numbers are from and how to read them."""
    sentences = [f"Ours: {table.scale} scale, {table.scale_label}."]
    if wording.shows_paper(table):
        sources = "; ".join(wording.sources(table)) or "none found"
        label = wording.paper_label(table).removeprefix("paper").strip()
        sentences.append(f"Paper{f' {label}' if label else ''}; sources: {sources}.")
    sentences += [wording.how_to_read(table), *wording.warnings(table)]
    sentences += wording.row_notes(table.definition)
    if table.rejected:
        sentences.append(f"Results left out: {len(table.rejected)}.")
    facts = f"newest run {wording.newest_run(table.newest_run)}, boxseg {table.suite_version}"
    return [text(sentence) for sentence in [*sentences, f"Made by {table.command}; {facts}."]]


def _claims_float(table: Table, claims: Sequence[ClaimLine]) -> list[str]:
    caption = f"Verdicts on the claims of {table.name} ({table.scale} scale)."
    columns = [f"p{{{width}\\linewidth}}" for width in (0.22, 0.17, 0.14, 0.22)]
    return [
        "\\begin{table}[t]",
        "\\centering",
        f"\\caption{{{text(caption)}}}",
        f"\\label{{tab:{table.name}-{table.scale}-claims}}",
        "\\footnotesize",
        "\\setlength{\\tabcolsep}{4pt}",
        f"\\begin{{tabular}}{{l{columns[0]}r{''.join(columns[1:])}}}",
        "\\toprule",
        _row(["", "Claim", "Paper", "Ours", "Verdict", "Why"]),
        "\\midrule",
        *(_claim_row(claim) for claim in claims),
        "\\bottomrule",
        "\\end{tabular}",
        "\\par\\smallskip",
        f"\\parbox{{\\linewidth}}{{\\footnotesize {text(how_to_read_claims(table.scale))}}}",
        "\\end{table}",
    ]


def _claim_row(claim: ClaimLine) -> str:
    """Set texts ragged, which takes the row's usual end its meaning."""
    number, statement, paper, *rest = (text(cell) for cell in claim.cells)
    cells = [number, _ragged(statement), paper, *map(_ragged, rest)]
    return " & ".join(cells) + r" \tabularnewline"


def _ragged(cell: str) -> str:
    return f"\\raggedright {cell}"


def _row(cells: Sequence[str]) -> str:
    # A row that began with [ would be read as the option of the \\ before it.
    return " & ".join(f"{{}}{cell}" if cell.startswith("[") else cell for cell in cells) + r" \\"


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
