"""The reproducibility statement: what was replicated, at which scale, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reports.claims import Assessment
from reports.controls import reference_effects
from reports.definition import CellRef
from reports.formats.markdown import items, table_lines, written
from reports.reproduction.outcome import PaperCost, spent, spent_on_repeats
from reports.reproduction.results_part import (
    claims_section,
    compute_section,
    environment_section,
    figures_section,
    mask_fill_section,
    own_tables_section,
    tables_section,
    why_section,
)
from reports.reproduction.statements import (
    CodeDifference,
    Deviation,
    Difference,
    Extension,
    OneRun,
    Reference,
    Requirement,
    Statement,
    Statements,
    load_statements,
)
from reports.results import Results
from reports.statistics import mean, paired_differences, t_interval
from reports.table import Table
from reports.wording.cells import bounds, effect_text

GPUS = (1, 4, 8)

UNMEASURED = "unmeasured"


def render_reproduction(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    results: Results,
    *,
    controls: Sequence[Table] = (),
    own: Sequence[Table] = (),
    costs: Sequence[PaperCost] = (),
    gpus: Sequence[int] = GPUS,
    statements: Statements | None = None,
    results_link: str = "results",
) -> str:
    """Give the statement as Markdown; the same records give the same text.

    Args:
        tables: of any scales; listed in this order, the scales in that of their first table.
        assessments: of all their claims, and of those of `own`.
        results: the records that the tables were built from.
        controls: the table of controls at one scale each, whose rows the deviations name.
        own: further tables of this suite, none of them the paper's.
        costs: of tables at paper scale, estimated.
        gpus: numbers of GPUs that wall times are told for, as if n were n times as fast as one.
        statements: what no record can say; by default the file beside this module.
        results_link: the runs' root, relative to the statement.

    Raises:
        InputError: `statements.yaml` is wrong.
    """
    said = load_statements() if statements is None else statements
    frame = results.frame
    taken = spent([*tables, *controls, *own], frame) + spent_on_repeats(results.repeats)
    sections = {
        "Scope": paragraphs(said.scope, frame),
        "Tables of the paper": tables_section(tables, assessments, said.hidden_splits, costs),
        "Figures of the paper": figures_section(said.figures),
        "Claims": claims_section(tables, assessments, results_link),
        "Tables of this suite": own_tables_section(own, assessments, results_link),
        "Why": why_section(tables, assessments, controls, results),
        "Hollow and full masks": mask_fill_section([*tables, *controls, *own], frame),
        "Deviations from the paper": deviations_section(said.deviations, controls),
        "Where papers and released code disagree": code_section(said.code_differences, controls),
        "Compute": compute_section(taken, costs, gpus),
        "Environment": environment_section([*tables, *own]),
        "Results left out": _left_out(results, [*tables, *own]),
        "What was easy": statement_list(said.easy, frame),
        "What was hard": statement_list(said.hard, frame),
        "Communication with the authors": paragraphs([said.authors], frame),
        "Limits": statement_list(said.limits, frame),
        "Licences": statement_list(said.licences, frame),
        "How to extend": extensions_section(said.extensions),
        "Checklist": checklist_section(said.checklist),
    }
    lines = [
        "# Reproducibility statement",
        "",
        "Generated from the runs' records; do not edit. Every result below is read from a record; "
        "the sentences around them stand in `reports/reproduction/statements.yaml`, which refuses "
        "results typed by hand. Effects are those of rows of the table `controls`, each minus its "
        "reference, as mean [95% interval] in mask AP; without a record they read `unmeasured`.",
        "",
    ]
    for title, body in sections.items():
        lines += [f"## {title}", "", "\n".join(body).rstrip("\n"), ""]
    return "\n".join(lines[:-1]) + "\n"


def _left_out(results: Results, tables: Sequence[Table]) -> list[str]:
    found = [*results.rejected, *(one for table in tables for one in table.rejected)]
    by_path = {one.path: one.reason for one in found}
    if not by_path:
        return ["None."]
    return items([f"`{path}`: {reason}" for path, reason in sorted(by_path.items())])


def paragraphs(statements: Sequence[Statement], frame: pd.DataFrame) -> list[str]:
    """Write each statement as a paragraph."""
    return [line for one in statements for line in (written(fill(one, frame)), "")]


def statement_list(statements: Sequence[Statement], frame: pd.DataFrame) -> list[str]:
    """Write each statement as an item."""
    return items([written(fill(one, frame)) for one in statements])


def deviations_section(deviations: Sequence[Deviation], controls: Sequence[Table]) -> list[str]:
    """List what is done otherwise than in the paper, with the effects that `controls` measure."""
    body = [
        [
            written(one.what),
            ", ".join(one.scales),
            written(one.paper),
            written(one.here),
            written(one.why),
            control_effects(
                one.controls, [table for table in controls if table.scale in one.scales]
            ),
        ]
        for one in deviations
    ]
    return table_lines(["What", "Scales", "Paper", "Here", "Why", "Effect"], body)


def code_section(differences: Sequence[CodeDifference], controls: Sequence[Table]) -> list[str]:
    """List where papers and released code disagree, with the switch and its measured effects."""
    body = [
        [
            written(one.method),
            written(one.paper),
            written(one.released),
            written(one.seen),
            written(one.switch) if one.switch else "none",
            control_effects(one.controls, controls),
        ]
        for one in differences
    ]
    head = ["Method", "Paper", "Released code", "Seen in", "Switch here", "Effect"]
    return table_lines(head, body)


def extensions_section(extensions: Sequence[Extension]) -> list[str]:
    """Say how to add what one may want to add."""
    return items([f"**{written(one.what)}**: {written(one.how)}" for one in extensions])


def checklist_section(checklist: Sequence[Requirement]) -> list[str]:
    """List the requirements with where they are met."""
    body = [
        [one.id, written(one.asks), f"**{one.state}**", written(one.where)] for one in checklist
    ]
    return table_lines(["Item", "Asks for", "State", "Where, or why not"], body)


def fill(statement: Statement, frame: pd.DataFrame) -> str:
    """Give a statement's text with its numbers; `frame` is as `read_results` gives it."""
    return statement.filled({name: number(at, frame) for name, at in statement.numbers.items()})


def control_effects(rows: Sequence[str], controls: Sequence[Table]) -> str:
    """Write the effects of rows of the table of controls, at each of its scales.

    Args:
        rows: by name.
        controls: the table at one scale each.
    """
    if not rows:
        return UNMEASURED
    found = [
        f"`{one.row}` {effect_text(one)}, {table.scale} {one.column}"
        for table in controls
        for one in reference_effects(table)
        if one.row in rows
    ]
    if found:
        return "; ".join(found)
    return f"{UNMEASURED} (control{'s' if len(rows) > 1 else ''} `{'`, `'.join(rows)}`)"


def number(reference: Reference, frame: pd.DataFrame) -> str:
    """Write what a reference leads to, or `unmeasured`."""
    if isinstance(reference, OneRun):
        found = frame[(frame["run"] == reference.run) & (frame["metric"] == reference.metric)]
        values = found["value"].dropna().tolist()
        return f"{values[0]:.1f}" if values else UNMEASURED
    return _difference(reference, frame)


def _difference(reference: Difference, frame: pd.DataFrame) -> str:
    paired = paired_differences(
        _by_seed(reference, reference.minuend, frame),
        _by_seed(reference, reference.subtrahend, frame),
    )
    if not paired.seeds:
        return UNMEASURED
    interval = t_interval(paired.differences)
    spread = "" if interval is None else f" {bounds(interval, 2)}"
    text = f"{mean(paired.differences):+z.2f}{spread} {reference.metric}, n={len(paired.seeds)}"
    return f"{text} ({reference.scale}, {reference.table})"


def _by_seed(reference: Difference, cell: CellRef, frame: pd.DataFrame) -> dict[int, float]:
    found = frame[
        (frame["scale"] == reference.scale)
        & (frame["table"] == reference.table)
        & (frame["row"] == cell.row)
        & (frame["column"] == cell.column)
        & (frame["metric"] == reference.metric)
    ].dropna(subset="value")
    return dict(zip(found["seed"].tolist(), found["value"].tolist(), strict=True))
