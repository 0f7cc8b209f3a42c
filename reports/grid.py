"""A table's heads and cells as text, laid out once for every format that has rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

from reports import cell_wording, wording
from reports.definition import Row
from reports.table import Cell, Table


@dataclass(frozen=True)
class Entry:
    """One entry of a row: `kind` is `paper`, `ours` or `difference`; `cell` is what it tells of."""

    kind: str
    text: str
    cell: Cell


@dataclass(frozen=True)
class Group:
    """Entries side by side under one heading: those of a column and metric."""

    heading: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """The groups of columns, and a line of entries per row, in the order of the groups."""

    groups: tuple[Group, ...]
    lines: tuple[tuple[Row, tuple[Entry, ...]], ...]


def grid(table: Table) -> Grid:
    """Lay out a table."""
    kinds = ["paper"] * wording.shows_paper(table) + ["ours"]
    kinds += ["difference"] * wording.shows_difference(table)
    groups = tuple(
        Group(wording.heading(table, column.label, metric), tuple(kinds))
        for column in table.definition.columns
        for metric in table.definition.metrics
    )
    write = {
        "paper": cell_wording.paper_number,
        "ours": cell_wording.our_number,
        "difference": cell_wording.difference,
    }
    lines = tuple(
        (
            row,
            tuple(
                Entry(kind, write[kind](cell), cell)
                for cell in table.cells
                if cell.row == row.name
                for kind in kinds
            ),
        )
        for row in table.definition.rows
    )
    return Grid(groups, lines)
