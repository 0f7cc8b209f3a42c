"""From results to a table: mean, spread and interval per cell, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from reports.absences import count_failed, unfinished, usable, why_no_runs
from reports.definition import Column, Row, TableDefinition
from reports.paper_numbers import PaperNumbers, PaperValue
from reports.result_file import RESULT_FILE
from reports.results import RejectedResult, Results
from reports.spread import spreads
from reports.statistics import bootstrap_interval, mean, sample_sd, t_interval
from reports.status import RunKey, Statuses
from reports.table import PAPER_SCALE, Absence, Cell, Table
from reports.trivial_masks import trivial_rows
from reports.vocabulary import Lack


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
    of_scale = results.frame[results.frame["scale"] == scale]
    frame = of_scale[of_scale["table"] == definition.name]
    hashes = config_hashes or {}
    used, left_out = usable(frame, definition, scale, hashes)
    outdated = frame[~frame["run"].isin(used["run"])]
    cells = tuple(
        _cell(definition, row, column, metric, used, outdated, paper, statuses, scale, hashes)
        for row in definition.rows
        for column in definition.columns
        for metric in definition.metrics
    )
    shown = used[used["run"].isin({run for cell in cells for run in cell.runs})]
    repeats, useless = _repeats(results.repeats, shown, scale, definition.name)
    left_out += [one for one in results.rejected if one.concerns(scale, definition.name)]
    left_out += useless
    return Table(
        definition=definition,
        scale=scale,
        scale_label=scale_label,
        command=command,
        suite_version=suite_version,
        cells=cells,
        unfinished=unfinished(definition, statuses),
        rejected=tuple(sorted(left_out, key=lambda one: one.path)),
        evaluated_on=_each_once(shown["dataset"] + " " + shown["split"]),
        newest_run=None if shown.empty else shown["started"].max().to_pydatetime(),
        commits=_each_once(
            shown["commit"].str.slice(0, 10)
            + shown["dirty"].map({True: " with uncommitted changes", False: ""})
        ),
        environments=_each_once(
            "Python "
            + shown["python"]
            + ", torch "
            + shown["torch"]
            + ", detectron2 "
            + shown["detectron2"]
            + ", "
            + shown["device"]
        ),
        spreads=spreads(shown, definition.metrics, pd.concat([of_scale, repeats])),
        repeats=tuple(sorted(repeats["run"].unique())),
        trivial=trivial_rows(definition, shown),
    )


def _repeats(
    repeats: pd.DataFrame, shown: pd.DataFrame, scale: str, table: str
) -> tuple[pd.DataFrame, list[RejectedResult]]:
    """Give what was done again of the runs shown, and what of the table's own repeats none."""
    of_scale = repeats[repeats["scale"] == scale]
    same = of_scale["config_sha256"].isin(shown["config_sha256"])
    useless = of_scale[~same & (of_scale["table"] == table)]
    left_out = [
        RejectedResult(
            f"{run}/{RESULT_FILE}", "repeats no run that is shown", frozenset({(scale, table)})
        )
        for run in useless["run"].unique()
    ]
    return of_scale[same], left_out


def _each_once(texts: pd.Series[str]) -> tuple[str, ...]:
    return tuple(sorted(texts.unique()))


def _cell(
    definition: TableDefinition,
    row: Row,
    column: Column,
    metric: str,
    frame: pd.DataFrame,
    outdated: pd.DataFrame,
    paper: PaperNumbers,
    statuses: Statuses,
    scale: str,
    hashes: Mapping[RunKey, str],
) -> Cell:
    printed = None
    key = definition.printed_key(row, column)
    if key is not None and definition.paper_table is not None:
        printed = paper.value(definition.paper_table, key, metric)
    failed, diverged = count_failed(row, column, statuses)
    configuration = min(
        ((key.seed, sha) for key, sha in hashes.items() if _is_of(key, row, column)),
        default=(0, None),
    )[1]

    def empty(absence: Absence) -> Cell:
        return Cell(
            row=row.name,
            column=column.name,
            metric=metric,
            paper=printed,
            mean=None,
            sd=None,
            n=0,
            runs=(),
            absence=absence,
            difference=None,
            configuration=configuration,
            failed=failed,
            diverged=diverged,
        )

    if row.unavailable is not None:
        return empty(Absence(Lack.UNAVAILABLE, row.unavailable))
    if column not in definition.columns_of(row):
        return empty(Absence(Lack.NOT_PLANNED))
    runs = frame[(frame["row"] == row.name) & (frame["column"] == column.name)]
    if runs.empty and ((outdated["row"] == row.name) & (outdated["column"] == column.name)).any():
        return empty(Absence(Lack.OUTDATED, "its results were made with another configuration"))
    if runs.empty:
        return empty(why_no_runs(row, column, statuses))
    for field in ("method", "dataset", "split"):
        kinds = sorted(runs[field].unique())
        if len(kinds) > 1:
            detail = f"its runs have more than one {field}: {', '.join(kinds)}"
            return empty(Absence(Lack.NOT_POOLED, detail))
    measured = runs[runs["metric"] == metric].dropna(subset="value")
    if measured.empty:
        return empty(Absence(Lack.UNDEFINED, f"its runs have no value of {metric}"))
    values = tuple(measured["value"].tolist())
    difference = None
    if (
        scale == PAPER_SCALE
        and printed is not None
        and printed.value is not None
        and _measures_the_same(printed, runs)
    ):
        difference = mean(values) - printed.value
    return Cell(
        row=row.name,
        column=column.name,
        metric=metric,
        paper=printed,
        mean=mean(values),
        sd=sample_sd(values),
        n=len(values),
        runs=tuple(measured["run"]),
        absence=None,
        difference=difference,
        values=values,
        interval=t_interval(values),
        bootstrap=bootstrap_interval(values),
        configuration=configuration,
        failed=failed,
        diverged=diverged,
    )


def _is_of(key: RunKey, row: Row, column: Column) -> bool:
    return (key.row, key.column) == (row.name, column.name)


def _measures_the_same(printed: PaperValue, runs: pd.DataFrame) -> bool:
    """Papers write `COCO val` for the split whose file is called val2017."""
    dataset, split = runs.iloc[0][["dataset", "split"]]
    return (printed.dataset.lower(), printed.split) == (dataset, split.removesuffix("2017"))
