"""A table, and the state of its runs, for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tabulate import tabulate

from reports.claims import Assessment
from reports.definition import TableDefinition
from reports.status import Statuses
from reports.table import Table
from reports.vocabulary import Lack, Verdict
from reports.wording import tables as wording
from reports.wording.cells import grid
from reports.wording.claims import ClaimLine, claim_lines, how_to_read_claims
from reports.wording.reference_effects import effect_lines

_WIDTH = 100


def render_text(table: Table, assessments: Sequence[Assessment] = ()) -> str:
    """Write the table in aligned columns, its header above, verdicts, notes and runs below.

    Args:
        table: to write.
        assessments: of any tables; those of this one are written.
    """
    definition, laid_out = table.definition, grid(table)
    head = ["\nmethod"]
    head += [f"{group.heading}\n{kind}" for group in laid_out.groups for kind in group.kinds]
    rows = [[row.label, *(entry.text for entry in line)] for row, line in laid_out.lines]
    lines = _aligned(head, rows, ["left"] + ["right"] * (len(head) - 1))
    text = [f"{definition.name}: {definition.title}", ""]
    text += [f"{word + ':':<21}{part}" for word, part in wording.header(table)]
    columns = [wording.paper_label(table)] * wording.shows_paper(table)
    columns += [wording.ours_label(table)]
    text += [f"{'Columns' + ':':<21}{', '.join(columns)}", ""]
    text += [_wrap(warning) for warning in wording.warnings(table)]
    text += [*lines, "", _wrap(wording.how_to_read(table))]
    notes = wording.notes(table)
    notes += [f"left out: {one.path}: {one.reason}." for one in table.rejected]
    if notes:
        text += ["", *(_wrap(f"- {note}") for note in notes)]
    effects = effect_lines(table)
    if effects:
        text += ["", "Differences from the reference:", *(_wrap(f"- {one}") for one in effects)]
    text += _claims(claim_lines(table, assessments), table.scale)
    runs = [f"{cell}: {together(runs)}" for cell, runs in wording.provenance(table)]
    if runs:
        text += ["", "Runs behind our numbers:", *(_wrap(f"- {run}") for run in runs)]
    return "\n".join(text) + "\n"


def together(runs: Sequence[str]) -> str:
    """Write runs of one cell as `mini/table3/qam/1x/seed{0,1,2}`, others one by one."""
    places: dict[str, list[str]] = {}
    for run in runs:
        folder, _, seed = run.rpartition("seed")
        places.setdefault(folder, []).append(seed)
    return ", ".join(
        f"{folder}seed{{{','.join(seeds)}}}" if len(seeds) > 1 else f"{folder}seed{seeds[0]}"
        for folder, seeds in places.items()
    )


def _claims(claims: Sequence[ClaimLine], scale: str) -> list[str]:
    """Write each claim's verdict, numbers and runs; those that were not run share a line."""
    if not claims:
        return []
    text = ["", "Claims of the paper:"]
    for claim in claims:
        number, statement, paper, ours, verdict, why = claim.cells
        if claim.runs:
            text.append(_wrap(f"- {number} {statement} {verdict.upper()}: {why}"))
            text.append(f"  paper {paper}, ours {ours}")
            text.append(_wrap(f"  from {together(claim.runs)}"))
    not_run = [claim.cells[0] for claim in claims if not claim.runs]
    if not_run:
        text.append(_wrap(f"- {Verdict.NOT_RUN.upper()}: {', '.join(not_run)}"))
    return [*text, "", _wrap(how_to_read_claims(scale))]


def render_status(definition: TableDefinition, statuses: Statuses, scale: str) -> str:
    """Write a line per run: its row, column, seed, state, what is known of it, its log.

    Below a run that ended badly stand the last lines of its log.
    """
    head = ["row", "column", "seed", "state", ""]
    lines: list[list[str]] = []
    tails: dict[int, tuple[str, ...]] = {}
    for row in definition.rows:
        if row.unavailable is not None:
            lines.append([row.name, "", "", Lack.UNAVAILABLE, row.unavailable])
        for key, status in statuses.items():
            if key.row == row.name:
                log = f"log: {status.log}" if status.log else ""
                detail = "; ".join(part for part in (status.reason.rstrip("."), log) if part)
                lines.append([key.row, key.column, str(key.seed), status.state, detail])
                tails[len(lines) + 1] = status.tail  # below the head and the rule
    text = [f"{definition.name} ({scale}): {definition.title}", ""]
    for number, line in enumerate(_aligned(head, lines, ("left", "left", "right", "left", "left"))):
        text.append(line)
        text += [f"    | {last}" for last in tails.get(number, ())]
    return "\n".join(text) + "\n"


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]], align: Sequence[str]) -> list[str]:
    """Give the lines of a table: its head (of as many lines as its words), a rule, its rows."""
    text = tabulate(rows, head, tablefmt="simple", disable_numparse=True, colalign=align)
    return text.splitlines()


def _wrap(text: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        subsequent_indent="  " if text.startswith(("- ", "  ")) else "",
        break_long_words=False,
        break_on_hyphens=False,
    )
