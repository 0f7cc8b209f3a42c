"""Run the rows of tables that are not finished, then write the tables' reports."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from boxseg.progress_display.display import DISPLAY
from experiments.launch.interrupts import importing

if TYPE_CHECKING:  # what a command needs is imported when it runs
    from experiments.launch.preflight import Lack
    from experiments.launch.runs import Run
    from reports.definition import TableDefinition

RUNS, REPORTS = Path("runs"), Path("reports/tables")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tables, at which scale, how."""
    parser.add_argument("words", nargs="+", metavar="TABLE|KEY=VALUE", help="table1 ... or all")
    parser.add_argument("--scale", default="mini", help="smoke, mini or paper (default: mini)")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs per cell")
    parser.add_argument("--rows", nargs="+", default=[], metavar="R", help="only these rows")
    parser.add_argument("--columns", nargs="+", default=[], metavar="C", help="only these columns")
    parser.add_argument("--launcher", choices=("inline", "local", "slurm"), default="inline")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes of --launcher local (default: one a core)"
    )
    parser.add_argument(
        "--max-parallel", type=int, metavar="N", help="Slurm jobs of this call at a time"
    )
    parser.add_argument(
        "--wait", action="store_true", help="with --launcher slurm: return when the jobs have ended"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print every run, its cost and Slurm's batch script; run nothing",
    )
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="DIR")
    parser.add_argument("--out", type=Path, default=REPORTS, metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when runs failed."""
    with importing():
        from boxseg.errors import InputError
        from experiments.configuration.compose import refuse_no_scale_of_tables
        from experiments.launch.preflight import refuse
        from experiments.launch.runs import expand
        from experiments.launch.tables import definitions

    names = [word for word in options.words if "=" not in word]
    rows = [row for row in options.rows if "=" not in row]
    columns = [column for column in options.columns if "=" not in column]
    every_word = (*options.words, *options.rows, *options.columns)
    overrides = [word for word in every_word if "=" in word]
    if not names:
        raise InputError("no table is named; give one, for example table3.")
    if options.seeds < 1:
        raise InputError(f"--seeds {options.seeds} is not a positive number.")
    if options.jobs is not None and (options.jobs < 1 or options.launcher != "local"):
        raise InputError("--jobs takes a positive number and goes with --launcher local.")
    if options.max_parallel is not None and (
        options.max_parallel < 1 or options.launcher != "slurm"
    ):
        raise InputError("--max-parallel takes a positive number and goes with --launcher slurm.")
    if options.wait and options.launcher != "slurm":
        raise InputError("--wait goes with --launcher slurm; the other launchers wait anyway.")
    refuse_no_scale_of_tables(options.scale)
    tables = definitions(names)
    with DISPLAY.doing("composing configurations"):
        runs = [
            run
            for table in tables
            for run in expand(
                table, options.scale, options.seeds, options.runs, rows, columns, overrides
            )
        ]
    if options.dry_run:
        return _dry_run(options, runs, tables)
    undone = "submitted" if options.launcher == "slurm" else "trained"
    with DISPLAY.doing("looking for what the runs need"):
        lacks = _lacks(options, runs)
    refuse(lacks, f"nothing was {undone}", partial(print, file=sys.stderr))
    failures = _launch(options, runs)
    _report(options, tables, overrides, rows, columns, failed=bool(failures))
    for name, reason in failures.items():
        print(f"boxseg: run {name} failed: {reason}", file=sys.stderr)
    return 1 if failures else 0


def _report(
    options: argparse.Namespace,
    tables: Sequence[TableDefinition],
    overrides: Sequence[str],
    rows: Sequence[str],
    columns: Sequence[str],
    failed: bool,
) -> None:
    """Write the tables, the figures and the page, and say in a few lines what they tell."""
    with importing():
        from experiments.reporting.page import write_figures_and_page  # pandas: first the runs
        from experiments.reporting.tables import write_tables
    from reports.formats.plain_text import render_summary
    from reports.wording.claims import more_seeds_command

    command = f"boxseg reproduce {' '.join(options.words)} --scale {options.scale}"
    for flag, names in (("--rows", rows), ("--columns", columns)):
        if names:
            command += f" {flag} {' '.join(names)}"
    if options.seeds > 1:
        command += f" --seeds {options.seeds}"
    with DISPLAY.doing("writing tables, figures and the page"):
        report = write_tables(
            tables, options.scale, options.runs, options.out, command, options.seeds, overrides
        )
        write_figures_and_page(report, options.scale, options.runs, options.out, command)
    places = "".join(
        f" {flag} {shlex.quote(str(chosen))}"
        for flag, chosen, default in (
            ("--runs", options.runs, RUNS),
            ("--out", options.out, REPORTS),
        )
        if chosen != default
    )
    if failed or options.launcher == "slurm":
        where = f" --runs {shlex.quote(str(options.runs))}" if options.runs != RUNS else ""
        names = " ".join(table.name for table in tables)
        following: str | None = f"boxseg status {names} --scale {options.scale}{where}"
    else:
        words = f"{command} --launcher {options.launcher}{places}"
        together = _jobs(options) if options.launcher == "local" else 1
        following = more_seeds_command(
            report.tables, report.assessments, report.results, words, together
        )
    print(render_summary(report.tables, report.assessments, options.out, following), end="")


def _dry_run(
    options: argparse.Namespace, runs: Sequence[Run], tables: Sequence[TableDefinition]
) -> int:
    from experiments.launch.dry_run import describe_runs

    print(describe_runs(runs, tables), end="")
    if options.launcher == "slurm" and runs:
        from experiments.launch.slurm.dry_run import describe_arrays

        print(describe_arrays(runs, options.runs, options.max_parallel), end="")
    for lack in _lacks(options, runs):
        print(f"missing: {lack.sentence()}")
    return 0


def _lacks(options: argparse.Namespace, runs: Sequence[Run]) -> list[Lack]:
    """What the runs need and is not there."""
    from experiments.launch.preflight import lacks_of_runs, unfinished

    lacks = lacks_of_runs(runs, options.runs)
    if options.launcher == "slurm" and (missing := unfinished(runs)):
        from experiments.launch.slurm.preflight import lacks_of_slurm

        lacks += lacks_of_slurm(run.of_cell.launcher for run in missing)
    return lacks


def _launch(options: argparse.Namespace, runs: Sequence[Run]) -> dict[str, str]:
    """Run or submit what is not finished; per failed run, why."""
    if options.launcher == "slurm" and runs:
        from experiments.launch.slurm.submit import submit
        from experiments.launch.slurm.waiting import wait_for

        failures = submit(runs, options.runs, options.max_parallel)
        return {**wait_for(runs, options.runs), **failures} if options.wait else failures
    if options.launcher == "local":
        from experiments.launch.local import run_locally

        return run_locally(runs, _jobs(options))
    from experiments.launch.inline import run_inline

    return run_inline(runs)


def _jobs(options: argparse.Namespace) -> int:
    """Processes of the local launcher."""
    return int(options.jobs or len(os.sched_getaffinity(0)))
