"""What a table lacks, and why: results it cannot show, cells without a number, runs unfinished."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.definition import Column, Row, TableDefinition
from reports.result_file import RESULT_FILE
from reports.results import RejectedResult
from reports.status import RunKey, Statuses
from reports.table import Absence, Unfinished
from reports.vocabulary import Lack, State

# What is said of a cell with no result: the first of these that any of its seeds is in.
_WORST_FIRST = (
    State.FAILED,
    State.REFUSED,
    State.CANCELLED,
    State.LOST,
    State.UNKNOWN,
    State.RUNNING,
    State.ELSEWHERE,
    State.QUEUED,
    State.INTERRUPTED,
)


def usable(
    frame: pd.DataFrame,
    definition: TableDefinition,
    scale: str,
    config_hashes: Mapping[RunKey, str],
) -> tuple[pd.DataFrame, list[RejectedResult]]:
    """Divide the results of a table at a scale into those that its cells show, and the others.

    Args:
        frame: of this table and scale.
        definition: of the table.
        scale: of the frame.
        config_hashes: the `config_sha256` that each run has today; a result of another
            configuration is outdated. Runs without an entry are not checked.
    """
    cells = {
        (row.name, column.name)
        for row in definition.rows
        if row.unavailable is None
        for column in definition.columns_of(row)
    }
    places = zip(frame["row"], frame["column"], strict=True)
    has_cell = pd.Series([place in cells for place in places], frame.index, dtype=bool)
    outdated = _outdated(frame, config_hashes)
    left_out = _without_cell(definition, scale, frame[~has_cell])
    left_out += [
        _reject(definition, scale, run, f"{Lack.OUTDATED}, made with another configuration")
        for run in frame["run"][has_cell & outdated].unique()
    ]
    return frame[has_cell & ~outdated], left_out


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
                return Absence(state, f"{which}{status.reason}")
    if any(status.state is State.DONE for status in of_cell.values()):
        # Its file reads well on its own; read_results left it out all the same.
        return Absence(State.REFUSED, "see the results left out")
    return Absence(State.MISSING)


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


def _outdated(frame: pd.DataFrame, config_hashes: Mapping[RunKey, str]) -> pd.Series[bool]:
    runs = zip(frame["row"], frame["column"], frame["seed"], frame["config_sha256"], strict=True)
    flags = [
        config_hashes.get(RunKey(row, column, seed), found) != found
        for row, column, seed, found in runs
    ]
    return pd.Series(flags, index=frame.index, dtype=bool)


def _without_cell(
    definition: TableDefinition, scale: str, frame: pd.DataFrame
) -> list[RejectedResult]:
    """Name the results that the table's definition has no cell for."""
    unavailable = {row.name for row in definition.rows if row.unavailable is not None}
    known_rows = {row.name for row in definition.rows}
    known_columns = {column.name for column in definition.columns}
    rejected = []
    for run, row, column in frame[["run", "row", "column"]].drop_duplicates().values:
        if row in unavailable:
            reason = f"the row '{row}' is not yet available"
        elif row not in known_rows:
            reason = f"{definition.name} has no row '{row}'"
        elif column not in known_columns:
            reason = f"{definition.name} has no column '{column}'"
        else:
            reason = f"the row '{row}' has no runs in the column '{column}'"
        rejected.append(_reject(definition, scale, run, reason))
    return rejected


def _reject(definition: TableDefinition, scale: str, run: str, reason: str) -> RejectedResult:
    tables = frozenset({(scale, definition.name)})
    return RejectedResult(f"{run}/{RESULT_FILE}", reason, tables)
