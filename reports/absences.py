"""Runs that a table lacks: why a cell is empty, and how many of its runs failed."""

from __future__ import annotations

from reports.definition import Column, Row, TableDefinition
from reports.status import State, Statuses
from reports.table import Absence, Unfinished

# What is said of a cell with no result: the first of these that any of its seeds is in.
_WORST_FIRST = (
    State.FAILED,
    State.REFUSED,
    State.LOST,
    State.UNKNOWN,
    State.RUNNING,
    State.ELSEWHERE,
    State.QUEUED,
    State.INTERRUPTED,
)


def why_no_runs(row: Row, column: Column, statuses: Statuses) -> Absence:
    """Say why no run of a cell has a result."""
    of_cell = {
        key.seed: status
        for key, status in statuses.items()
        if (key.row, key.column) == (row.name, column.name)
    }
    for state in _WORST_FIRST:
        for seed, status in sorted(of_cell.items()):
            if status.state is state:
                which = f"seed {seed}: " if len(of_cell) > 1 else ""
                return Absence(str(state), f"{which}{status.reason}")
    if any(status.state is State.DONE for status in of_cell.values()):
        # Its file reads well on its own; read_results left it out all the same.
        return Absence(str(State.REFUSED), "see the results left out")
    return Absence(str(State.MISSING))


def count_failed(row: Row, column: Column, statuses: Statuses) -> tuple[int, int]:
    """Count a cell's runs that failed, and those that diverged, which are not among the first."""
    failed = [
        status
        for key, status in statuses.items()
        if (key.row, key.column) == (row.name, column.name) and status.state is State.FAILED
    ]
    diverged = sum(status.diverged for status in failed)
    return len(failed) - diverged, diverged


def unfinished(definition: TableDefinition, statuses: Statuses) -> tuple[Unfinished, ...]:
    """List every run without a result, in the order of the table, except refused results."""
    rows = {row.name: place for place, row in enumerate(definition.rows)}
    columns = {column.name: place for place, column in enumerate(definition.columns)}
    lacking = [
        Unfinished(key, status)
        for key, status in statuses.items()
        if key.row in rows
        and key.column in columns
        # A refused result is named among the results left out.
        and status.state not in (State.DONE, State.REFUSED)
    ]
    lacking.sort(key=lambda one: (rows[one.key.row], columns[one.key.column], one.key.seed))
    return tuple(lacking)
