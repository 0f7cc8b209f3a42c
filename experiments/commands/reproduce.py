"""Run the rows of tables that are not finished, then write the tables' reports."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tables, at which scale, how."""
    parser.add_argument("words", nargs="+", metavar="TABLE|KEY=VALUE", help="table1 ... or all")
    parser.add_argument("--scale", default="mini", help="smoke, mini or paper (default: mini)")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs per cell")
    parser.add_argument("--rows", nargs="+", default=[], metavar="R", help="only these rows")
    parser.add_argument("--columns", nargs="+", default=[], metavar="C", help="only these columns")
    parser.add_argument("--launcher", choices=("inline", "local"), default="inline")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes of --launcher local (default: one a core)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print every run and its cost; run nothing"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("reports/tables"), metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when runs failed."""
    from boxseg.errors import InputError
    from experiments.compose import refuse_unknown
    from experiments.tables import definitions, expand

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
    refuse_unknown("scale", options.scale)
    tables = definitions(names)
    runs = [
        run
        for table in tables
        for run in expand(
            table, options.scale, options.seeds, options.runs, rows, columns, overrides
        )
    ]
    if options.dry_run:
        from experiments.dry_run import describe_runs

        print(describe_runs(runs, tables), end="")
        return 0
    from experiments.inline import run_inline
    from experiments.local import run_locally
    from experiments.report_tables import report_tables

    if options.launcher == "local":
        failures = run_locally(runs, options.jobs or len(os.sched_getaffinity(0)))
    else:
        failures = run_inline(runs)
    command = f"boxseg reproduce {' '.join(options.words)} --scale {options.scale}"
    for flag, names in (("--rows", rows), ("--columns", columns)):
        if names:
            command += f" {flag} {' '.join(names)}"
    if options.seeds > 1:
        command += f" --seeds {options.seeds}"
    report_tables(
        tables, options.scale, options.runs, options.out, command, options.seeds, overrides
    )
    for name, reason in failures.items():
        print(f"boxseg: run {name} failed: {reason}", file=sys.stderr)
    return 1 if failures else 0
