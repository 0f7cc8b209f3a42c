"""How heads, cells and the effects of controls are laid out and read, the same in every format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.controls import ReferenceEffect, reference_effects
from reports.definition import Row
from reports.statistics import Interval
from reports.table import Cell, Table
from reports.wording import tables


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
    """The groups of columns, and a line of entries per row, in the order of the groups.

    `labels` are what each kind of entry is called where there is room to say what it stands on.
    """

    groups: tuple[Group, ...]
    lines: tuple[tuple[Row, tuple[Entry, ...]], ...]
    labels: Mapping[str, str]


def grid(table: Table) -> Grid:
    """Lay out a table; masks that a box alone gives stand below its rows."""
    kinds = ["paper"] * tables.shows_paper(table) + ["ours"]
    kinds += ["difference"] * tables.shows_difference(table)
    groups = tuple(
        Group(tables.heading(table, column.label, metric), tuple(kinds))
        for column in table.definition.columns
        for metric in table.definition.metrics
    )
    write = {
        "paper": paper_number,
        "ours": our_number,
        "difference": difference,
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
    ) + tuple(
        (
            one.row,
            tuple(Entry(kind, write[kind](cell), cell) for cell in one.cells for kind in kinds),
        )
        for one in table.trivial
    )
    labels = {
        "paper": tables.paper_label(table),
        "ours": tables.ours_label(table),
        "difference": "difference",
    }
    return Grid(groups, lines, labels)


def paper_number(cell: Cell) -> str:
    """Write the printed number, `not found`, or `-` where the paper has no such row."""
    if cell.paper is None:
        return "-"
    return "not found" if cell.paper.value is None else f"{cell.paper.value:.1f}"


def our_number(cell: Cell) -> str:
    """Write one run as its value, several as `mean ± sd [interval] (n=2)`, or why there is none.

    Runs that failed or diverged are counted: `36.8 (n=1, 1 failed, 1 diverged)`.
    """
    if cell.absence is not None:
        return _with_counts(cell.absence.label, _lost(cell))
    if cell.sd is None:
        lost = _lost(cell)
        return _with_counts(f"{cell.mean:.1f}", [f"n={cell.n}", *lost] if lost else [])
    spread = f"{cell.mean:.1f} ± {cell.sd:.1f}"
    if cell.interval is not None:
        spread += f" {bounds(cell.interval, 1)}"
    return _with_counts(spread, [f"n={cell.n}", *_lost(cell)])


def short_number(cell: Cell) -> str:
    """Write what `our_number` does, without the interval and the number of runs."""
    if cell.absence is not None:
        return our_number(cell)
    return f"{cell.mean:.1f}" if cell.sd is None else f"{cell.mean:.1f} ± {cell.sd:.1f}"


def difference(cell: Cell) -> str:
    """Write ours minus the paper's, signed, or nothing where it would be meaningless."""
    return "" if cell.difference is None else f"{cell.difference:+z.1f}"


def bounds(interval: Interval, decimals: int) -> str:
    """Write `[35.9, 37.1]`."""
    return f"[{interval.low:z.{decimals}f}, {interval.high:z.{decimals}f}]"


def _lost(cell: Cell) -> list[str]:
    """Count the runs without a score; one that failed needs no count beside the word `failed`."""
    alone = cell.absence is not None and (cell.failed, cell.diverged) == (1, 0)
    counts = [(cell.failed, "failed"), (cell.diverged, "diverged")]
    return [] if alone else [f"{count} {word}" for count, word in counts if count]


def _with_counts(text: str, counts: list[str]) -> str:
    return f"{text} ({', '.join(counts)})" if counts else text


def effect_text(effect: ReferenceEffect) -> str:
    """Write `+0.31 [-0.20, 0.82] (n=3)`, or without an interval of one seed."""
    interval = effect.interval
    spread = "" if interval is None else f" {bounds(interval, 2)}"
    return f"{effect.mean:+z.2f}{spread} (n={len(effect.differences)})"


def effect_lines(table: Table) -> list[str]:
    """Write a line per row that differs from a reference, in the order of the table."""
    labels = {row.name: row.label for row in table.definition.rows}
    return [
        f"{labels[one.row]} minus {labels[one.reference]}, {one.column}: {effect_text(one)}"
        for one in reference_effects(table)
    ]
