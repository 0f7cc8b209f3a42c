"""Writing the reports of tables from the runs there are."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from boxseg.errors import InputError
from experiments.cell_config import cell_config, scale_of
from experiments.slurm.statuses import statuses_of
from experiments.tables import expand
from reports.aggregate import build_table
from reports.definition import TableDefinition
from reports.paper_numbers import PaperNumbers
from reports.plain_text import render_text
from reports.render import write_table
from reports.results import read_results
from reports.status import RunKey


def report_tables(
    tables: Sequence[TableDefinition],
    scale: str,
    runs: Path,
    out: Path,
    command: str,
    seeds: int,
    overrides: Sequence[str] = (),
) -> None:
    """Print each table and write its files.

    Args:
        tables: to report.
        scale: whose runs.
        runs: folder of the runs.
        out: folder of the reports.
        command: that made the runs, to be printed above the table.
        seeds: expected per cell; further ones on disk are taken too.
        overrides: that the runs were made with.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder of runs {runs}: {error.strerror}; choose another with --runs."
        ) from None
    all_statuses = statuses_of(runs, tables, scale, range(seeds))
    results = read_results(runs)  # after the states, so that a run that is done has its result here
    stand_ins = scale_of(scale).datasets
    for table in tables:
        statuses = all_statuses[table.name]
        most = max((key.seed for key in statuses), default=0) + 1
        hashes = {
            RunKey(run.cell.row, run.cell.column, run.seed): run.sha256
            for run in expand(table, scale, most, runs, overrides=overrides)
        }
        data = cell_config((f"scale={scale}", f"dataset={stand_ins[table.dataset]}")).config
        built = build_table(
            table,
            results,
            PaperNumbers.load(),
            statuses,
            scale=scale,
            scale_label=data.scale.label,
            command=command,
            suite_version=version("boxseg"),
            config_hashes=hashes,
        )
        print(render_text(built), end="")
        for file in write_table(built, out):
            print(file)
