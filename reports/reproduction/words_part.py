"""The statement's sections that people wrote, with the numbers they refer to filled in."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reports.reproduction.layout import items, rows, words
from reports.reproduction.numbers import fill, number
from reports.reproduction.statements import (
    CodeDifference,
    Deviation,
    Extension,
    Requirement,
    Statement,
)


def paragraphs(statements: Sequence[Statement], frame: pd.DataFrame) -> list[str]:
    """Write each statement as a paragraph."""
    return [line for one in statements for line in (words(fill(one, frame)), "")]


def statement_list(statements: Sequence[Statement], frame: pd.DataFrame) -> list[str]:
    """Write each statement as an item."""
    return items([words(fill(one, frame)) for one in statements])


def deviations_section(deviations: Sequence[Deviation], frame: pd.DataFrame) -> list[str]:
    """List what is done otherwise than in the paper, with the measured effect."""
    body = [
        [
            words(one.what),
            ", ".join(one.scales),
            words(one.paper),
            words(one.here),
            words(one.why),
            number(one.effect, frame),
        ]
        for one in deviations
    ]
    return rows(["What", "Scales", "Paper", "Here", "Why", "Effect"], body)


def code_section(differences: Sequence[CodeDifference], frame: pd.DataFrame) -> list[str]:
    """List where papers and released code disagree, with the switch and its measured effect."""
    body = [
        [
            words(one.method),
            words(one.paper),
            words(one.released),
            words(one.seen),
            words(one.switch) if one.switch else "none",
            number(one.effect, frame),
        ]
        for one in differences
    ]
    head = ["Method", "Paper", "Released code", "Seen in", "Switch here", "Effect"]
    return rows(head, body)


def extensions_section(extensions: Sequence[Extension]) -> list[str]:
    """Say how to add what one may want to add."""
    return items([f"**{words(one.what)}**: {words(one.how)}" for one in extensions])


def checklist_section(checklist: Sequence[Requirement]) -> list[str]:
    """List the requirements with where they are met."""
    body = [[one.id, words(one.asks), f"**{one.state}**", words(one.where)] for one in checklist]
    return rows(["Item", "Asks for", "State", "Where, or why not"], body)
