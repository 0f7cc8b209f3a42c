"""From results to a table: mean and spread per cell, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.definition import Column, Row, TableDefinition
from reports.paper_numbers import PaperNumbers, PaperValue
from reports.result_file import RESULT_FILE
from reports.results import RejectedResult, Results
from reports.status import RunKey, State, Statuses
from reports.table import PAPER_SCALE, Absence, Cell, Table, Unfinished


def build_table(
    definition: TableDefinition,
    results: Results,
    paper: PaperNumbers,
    statuses: Statuses,
    *,
    scale: str,
    scale_label: str,
    command: str,
    suite_version: str,
    config_hashes: Mapping[RunKey, str] | None = None,
) -> Table:
    """Fill a table from the results of one scale.

    Args:
        definition: rows, columns and metrics.
        results: of any tables and scales; only those of this one are used.
        paper: the printed numbers.
        statuses: of this table's runs at this scale; a run without one counts as not run.
        scale: `smoke`, `mini` or `paper`.
        scale_label: what our numbers stand on, such as `scenes, EfficientNet-Lite0`.
        command: the command that makes this table.
        suite_version: version of this package.
        config_hashes: the `config_sha256` that each run has today; a result of another
            configuration is outdated and left out. Runs without an entry are not checked.

    Raises:
        InputError: the definition names a printed row that does not exist.
    """
    frame = results.frame
    frame = frame[(frame["table"] == definition.name) & (frame["scale"] == scale)]
    available = {row.name for row in definition.rows if row.unavailable is None}
    columns = {column.name for column in definition.columns}
    has_cell = frame["row"].isin(available) & frame["column"].isin(columns)
    outdated = _outdated(frame, config_hashes or {})
    used = frame[has_cell & ~outdated]
    cells = tuple(
        _cell(definition, row, column, metric, used, paper, statuses, scale)
        for row in definition.rows
        for column in definition.columns
        for metric in definition.metrics
    )
    shown = used[used["run"].isin({run for cell in cells for run in cell.runs})]
    evaluated_on = shown["dataset"] + " " + shown["split"]
    commits = shown["commit"].str.slice(0, 10) + shown["dirty"].map(
        {True: " with uncommitted changes", False: ""}
    )
    rejected = [one for one in results.rejected if one.concerns(scale, definition.name)]
    rejected += _without_cell(definition, scale, frame[~has_cell])
    rejected += [
        _reject(definition, scale, run, "outdated, made with another configuration")
        for run in frame["run"][has_cell & outdated].unique()
    ]
    return Table(
        definition=definition,
        scale=scale,
        scale_label=scale_label,
        command=command,
        suite_version=suite_version,
        cells=cells,
        unfinished=_unfinished(definition, statuses),
        rejected=tuple(sorted(rejected, key=lambda one: one.path)),
        evaluated_on=tuple(sorted(evaluated_on.unique())),
        newest_run=None if shown.empty else shown["started"].max().to_pydatetime(),
        commits=tuple(sorted(commits.unique())),
    )


def _cell(
    definition: TableDefinition,
    row: Row,
    column: Column,
    metric: str,
    frame: pd.DataFrame,
    paper: PaperNumbers,
    statuses: Statuses,
    scale: str,
) -> Cell:
    printed = None
    key = definition.printed_key(row, column)
    if key is not None and definition.paper_table is not None:
        printed = paper.value(definition.paper_table, key, metric)

    def empty(absence: Absence) -> Cell:
        return Cell(row.name, column.name, metric, printed, None, None, 0, (), absence, None)

    if row.unavailable is not None:
        return empty(Absence("not yet available", row.unavailable))
    runs = frame[(frame["row"] == row.name) & (frame["column"] == column.name)]
    if runs.empty:
        return empty(_why_no_runs(row, column, statuses))
    for field in ("method", "dataset", "split"):
        kinds = sorted(runs[field].unique())
        if len(kinds) > 1:
            detail = f"its runs have more than one {field}: {', '.join(kinds)}"
            return empty(Absence("not pooled", detail))
    measured = runs[runs["metric"] == metric].dropna(subset="value")
    if measured.empty:
        return empty(Absence("undefined", f"its runs have no value of {metric}"))
    values = measured["value"]
    mean, n = float(values.mean()), len(values)
    difference = None
    if (
        scale == PAPER_SCALE
        and printed is not None
        and printed.value is not None
        and _measures_the_same(printed, runs)
    ):
        difference = mean - printed.value
    return Cell(
        row=row.name,
        column=column.name,
        metric=metric,
        paper=printed,
        mean=mean,
        sd=float(values.std(ddof=1)) if n > 1 else None,
        n=n,
        runs=tuple(measured["run"]),
        absence=None,
        difference=difference,
    )


def _measures_the_same(printed: PaperValue, runs: pd.DataFrame) -> bool:
    """Papers write `COCO val` for the split whose file is called val2017."""
    dataset, split = runs.iloc[0][["dataset", "split"]]
    return (printed.dataset.lower(), printed.split) == (dataset, split.removesuffix("2017"))


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


def _why_no_runs(row: Row, column: Column, statuses: Statuses) -> Absence:
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


def _unfinished(definition: TableDefinition, statuses: Statuses) -> tuple[Unfinished, ...]:
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


def _reject(definition: TableDefinition, scale: str, run: str, reason: str) -> RejectedResult:
    tables = frozenset({(scale, definition.name)})
    return RejectedResult(f"{run}/{RESULT_FILE}", reason, tables)


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
