"""Writing the reports of tables from the runs there are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from boxseg.errors import InputError
from experiments.configuration.compose import composed
from experiments.launch.changed_files import changed_files
from experiments.launch.runs import dataset_of_table, expand
from experiments.launch.slurm.statuses import statuses_of
from experiments.launch.tables import definitions, table_names
from reports.aggregate import build_table
from reports.claims import Assessment, assess
from reports.controls import TABLE as CONTROLS
from reports.definition import TableDefinition
from reports.formats.files import write_claims, write_table
from reports.paper_numbers import PaperNumbers
from reports.result_file import RESULT_FILE
from reports.results import Results, read_results
from reports.status import RunKey, Statuses
from reports.table import Table

OTHER_FILES = "of other files"


@dataclass(frozen=True, eq=False)
class Report:
    """Tables of one scale, the verdicts on all their claims, and the results behind both.

    `controls` is the table of controls at that scale; None where none of them was run.
    """

    tables: tuple[Table, ...]
    assessments: tuple[Assessment, ...]
    results: Results
    controls: Table | None


def write_tables(
    tables: Sequence[TableDefinition],
    scale: str,
    runs: Path,
    out: Path,
    command: str,
    seeds: int,
    overrides: Sequence[str] = (),
) -> Report:
    """Write the files of each table and of all verdicts.

    Args:
        tables: to report.
        scale: whose runs.
        runs: folder of the runs.
        out: folder of the reports.
        command: that made the runs, to be named beside the tables.
        seeds: expected per cell; further ones on disk are taken too.
        overrides: that the runs were made with.

    Raises:
        InputError: a folder cannot be made, read or written.
    """
    report = build_report(tables, scale, runs, command, seeds, overrides)
    for table in report.tables:
        write_table(table, out, report.assessments)
    write_claims(report.tables, report.assessments, out)
    return report


def build_report(
    tables: Sequence[TableDefinition],
    scale: str,
    runs: Path,
    command: str,
    seeds: int,
    overrides: Sequence[str] = (),
) -> Report:
    """Aggregate the runs of some tables; see `write_tables`. Nothing is written but `runs`."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder of runs {runs}: {error.strerror}; choose another with --runs."
        ) from None
    all_statuses = statuses_of(runs, tables, scale, range(seeds))
    results = read_results(runs)  # after the states, so that a run that is done has its result here
    paper = PaperNumbers.load()

    def built(table: TableDefinition, told: Statuses) -> Table:
        done = _with_results(results.frame, table.name, scale)
        return build_table(
            table,
            results,
            paper,
            told,
            scale=scale,
            scale_label=_scale_label(table, scale),
            command=command,
            suite_version=version("boxseg"),
            config_hashes=_hashes(table, scale, runs, told, done, overrides),
        )

    of_all = tuple(built(table, all_statuses[table.name]) for table in tables)
    controls = _controls(results.frame, scale)
    judges = None
    if controls is not None:
        told = statuses_of(runs, [controls], scale, range(1))[CONTROLS]
        judges = built(controls, told)
    frame = _without_outdated_controls(results.frame, scale, judges)
    assessments = tuple(one for table in of_all for one in assess(table, frame))
    return Report(of_all, assessments, results, judges)


def _with_results(frame: pd.DataFrame, table: str, scale: str) -> set[RunKey]:
    own = frame[(frame["table"] == table) & (frame["scale"] == scale)]
    places = own[["row", "column", "seed"]].drop_duplicates()
    return {RunKey(row, column, int(seed)) for row, column, seed in places.values}


def _hashes(
    table: TableDefinition,
    scale: str,
    runs: Path,
    statuses: Statuses,
    done: Collection[RunKey],
    overrides: Sequence[str],
) -> dict[RunKey, str]:
    """Give the `config_sha256` that each run with a result has today, if its data are there.

    One that was made with other files than those that are there now has none that could match. The
    others' are not asked for: to compose them is most of a report's time.
    """
    changed = changed_files(table, statuses, scale, runs)
    most = max((key.seed for key in done), default=-1) + 1
    hashes = {}
    for run in expand(table, scale, most, runs, overrides=overrides):
        key = RunKey(run.cell.row, run.cell.column, run.seed)
        if key in done and run.of_cell.contents.known:
            hashes[key] = run.sha256
    return dict.fromkeys(changed, OTHER_FILES) | hashes


def _controls(frame: pd.DataFrame, scale: str) -> TableDefinition | None:
    """Give the controls, which judge the claims of every table, where any was run."""
    run = ((frame["table"] == CONTROLS) & (frame["scale"] == scale)).any()
    return definitions([CONTROLS])[0] if run and CONTROLS in table_names() else None


def _without_outdated_controls(
    frame: pd.DataFrame, scale: str, controls: Table | None
) -> pd.DataFrame:
    """Leave out the controls that their table does, those of another configuration than today's."""
    if controls is None:
        return frame
    own = (frame["table"] == CONTROLS) & (frame["scale"] == scale)
    left_out = {one.path for one in controls.rejected}
    return frame[~own | ~(frame["run"] + f"/{RESULT_FILE}").isin(left_out)]


def _scale_label(table: TableDefinition, scale: str) -> str:
    dataset = dataset_of_table(table, scale)
    return composed((f"scale={scale}", f"dataset={dataset}")).scale.label
