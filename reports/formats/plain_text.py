"""What tables say, and the state of their runs, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from reports.claims import Assessment, of_table
from reports.definition import TableDefinition
from reports.formats.files import PAGE_FILE
from reports.status import State, Statuses
from reports.table import Table
from reports.vocabulary import Lack
from reports.wording import tables as wording
from reports.wording.cells import paper_number, short_number
from reports.wording.claims import count_verdicts

_WIDTH = 80
_LABEL = 32
_NO_BREAK = "\u00a0"
"""A space at which no line is broken: a word and the path that it tells of stay together."""
_TOLD = 2
"""Of what a reader has to beware of; the files have all of it."""
_SHOWN_ROWS = 8
"""A table of more has no room in a few lines."""


def render_summary(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    out: Path,
    following: str | None,
) -> str:
    """Write what tables say in a few lines: the answer, what it rests on, where the rest lies.

    One table of few rows is shown with its first metric, ours beside the paper's; of several, or of
    a long one, each has a line.

    Args:
        tables: of one scale, at least one.
        assessments: of their claims.
        out: folder that their files and the page are in.
        following: the next command, or a sentence that ends in it after its last ": ".
    """
    first = tables[0]
    alone = len(tables) == 1 and len(first.definition.rows) <= _SHOWN_ROWS
    text = _numbers(first) if alone else [_line_of(table, assessments) for table in tables]
    own = [one for table in tables for one in of_table(table, assessments)]
    if own:
        text.append(_wrap(f"{_claims(own)}."))
    text.append(_wrap(_rests_on(tables)))
    text += [_wrap(one) for one in _beware(tables)]
    folder = out / first.scale
    names = first.name if len(tables) == 1 else "<table>"
    text.append(f"Page: {out / PAGE_FILE}")
    text.append(f"Files: {folder / names}.{{md,tex,csv,html}}, claims.{{md,csv}}, figures/")
    if following is not None:
        words, _, command = following.rpartition(": ")
        text += [_wrap(f"Next: {words}:"), f"  {command}"] if words else [f"Next: {command}"]
    return "\n".join(text) + "\n"


def _numbers(table: Table) -> list[str]:
    """Give the lines of a table's first metric."""
    definition = table.definition
    metric = definition.metrics[0]
    papers = wording.shows_paper(table)
    head = ["\nmethod"]
    for column in definition.columns:
        label = column.label or wording.metric_label(metric)
        head += [f"{label}\npaper", f"{label}\nours"] if papers else [label]
    rows = []
    for row in definition.rows:
        cells = [table.cell(row.name, column.name, metric) for column in definition.columns]
        texts = [(paper_number(cell), short_number(cell)) for cell in cells]
        rows.append([_short(row.label)])
        rows[-1] += [part for both in texts for part in (both if papers else both[1:])]
    title = f"{definition.name}: {definition.title}, {wording.metric_label(metric)} in per cent"
    return [_wrap(title), *_aligned(head, rows, ["left"] + ["right"] * (len(head) - 1))]


def _line_of(table: Table, assessments: Sequence[Assessment]) -> str:
    """Give a table's name, how many of its rows have a number, and its verdicts."""
    rows = table.definition.rows
    filled = {cell.row for cell in table.cells if cell.mean is not None}
    own = of_table(table, assessments)
    said = f"{table.name}: {len(filled)} of {len(rows)} rows have runs"
    return _wrap(f"{said}; {_claims(own)}" if own else said)


def _claims(assessments: Sequence[Assessment]) -> str:
    counts = {verdict: n for verdict, n in count_verdicts(assessments).items() if n}
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    total = sum(counts.values())
    return f"{total} claim{'' if total == 1 else 's'}: {words}"


def _rests_on(tables: Sequence[Table]) -> str:
    """Say seeds, scale and data, and what may be compared."""
    first = tables[0]
    place = f"{first.scale} scale ({first.scale_label})"
    counts = {cell.n for table in tables for cell in table.cells if cell.mean is not None}
    if not counts:
        return f"There are no runs at {place} yet."
    low, high = min(counts), max(counts)
    seeds = f"{low} seed{'' if low == 1 else 's'}" if low == high else f"{low} to {high} seeds"
    where = wording.listed(dict.fromkeys(one for table in tables for one in table.evaluated_on))
    text = f"Rests on {seeds} per cell at {place}, evaluated on {where}"
    if wording.shows_paper(first) and not wording.shows_difference(first):
        return f"{text}: compare rows, never values with the paper's."
    return f"{text}."


def _beware(tables: Sequence[Table]) -> list[str]:
    """Say what the numbers lack: results left out, runs that ended badly, rows on other data."""
    said = [one for table in tables for one in wording.warnings(table)]
    said += [f"Left out: {one.path}: {one.reason}." for table in tables for one in table.rejected]
    said += [
        f"Without a score: {table.name}/{one.key.row}/{one.key.column}/seed{one.key.seed}: "
        f"{one.status.reason.rstrip('.')}."
        for table in tables
        for one in table.unfinished
        if one.status.state is State.FAILED
    ]
    said = list(dict.fromkeys(said))
    more = len(said) - _TOLD
    return [*said[:_TOLD], f"And {more} more, which the files name."] if more > 0 else said


def _short(label: str) -> str:
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 3]}..."


def render_status(definition: TableDefinition, statuses: Statuses, scale: str) -> str:
    """Write a line per run: its row, column, seed, state, what is known of it, its log.

    Below a run that ended badly stand the last lines of its log.
    """
    head = ["row", "column", "seed", "state"]
    lines: list[list[str]] = []
    more: list[tuple[str, tuple[str, ...]]] = []
    for row in definition.rows:
        if row.unavailable is not None:
            lines.append([row.name, "", "", Lack.UNAVAILABLE])
            more.append((row.unavailable, ()))
        for key, status in statuses.items():
            if key.row == row.name:
                log = f"log:{_NO_BREAK}{status.log}" if status.log else ""
                detail = "; ".join(part for part in (status.reason.rstrip("."), log) if part)
                lines.append([key.row, key.column, str(key.seed), status.state])
                more.append((detail, status.tail))
    text = [f"{definition.name} ({scale}): {definition.title}", ""]
    title, rule, *body = _aligned(head, lines, ("left", "left", "right", "left"))
    text += [title.rstrip(), rule]
    for line, (detail, tail) in zip(body, more, strict=True):
        known = _wrap(f"{line}  {detail}", indent="    ").replace(_NO_BREAK, " ")
        text += [known if detail else line.rstrip()]
        text += [f"    | {last}" for last in tail]
    return "\n".join(text) + "\n"


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]], align: Sequence[str]) -> list[str]:
    """Give the lines of a table: its head (of as many lines as its words), a rule, its rows."""
    text = tabulate(rows, head, tablefmt="simple", disable_numparse=True, colalign=align)
    return text.splitlines()


def _wrap(text: str, indent: str = "  ") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
