"""The statement's sections that people wrote, with the numbers they refer to filled in."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reports.definition import CellRef
from reports.formats.markdown import items, table_lines, written
from reports.reproduction.statements import (
    CodeDifference,
    Deviation,
    Difference,
    Extension,
    OneRun,
    Reference,
    Requirement,
    Statement,
)
from reports.statistics import mean, paired_differences, t_interval
from reports.table import Table
from reports.wording.cells import bounds, effect_text, reference_effects

UNMEASURED = "unmeasured"


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
