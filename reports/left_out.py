"""Results that a table cannot show, each with the reason: outdated, or without a cell."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.definition import TableDefinition
from reports.result_file import RESULT_FILE
from reports.results import RejectedResult
from reports.status import RunKey


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
    available = {row.name for row in definition.rows if row.unavailable is None}
    columns = {column.name for column in definition.columns}
    has_cell = frame["row"].isin(available) & frame["column"].isin(columns)
    outdated = _outdated(frame, config_hashes)
    left_out = _without_cell(definition, scale, frame[~has_cell])
    left_out += [
        _reject(definition, scale, run, "outdated, made with another configuration")
        for run in frame["run"][has_cell & outdated].unique()
    ]
    return frame[has_cell & ~outdated], left_out


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
    rejected = []
    for run, row, column in frame[["run", "row", "column"]].drop_duplicates().values:
        if row in unavailable:
            reason = f"the row '{row}' is not yet available"
        elif row not in known_rows:
            reason = f"{definition.name} has no row '{row}'"
        else:
            reason = f"{definition.name} has no column '{column}'"
        rejected.append(_reject(definition, scale, run, reason))
    return rejected


def _reject(definition: TableDefinition, scale: str, run: str, reason: str) -> RejectedResult:
    tables = frozenset({(scale, definition.name)})
    return RejectedResult(f"{run}/{RESULT_FILE}", reason, tables)
