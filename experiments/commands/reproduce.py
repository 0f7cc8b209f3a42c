"""Run the rows of tables that are not finished, then write the tables' reports."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tables, at which scale, how."""
    parser.add_argument("words", nargs="+", metavar="TABLE|KEY=VALUE", help="table1 ... or all")
    parser.add_argument("--scale", default="mini", help="smoke, mini or paper (default: mini)")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs per cell")
    parser.add_argument("--rows", nargs="+", default=[], metavar="R", help="only these rows")
    parser.add_argument("--launcher", choices=("inline",), default="inline")
    parser.add_argument(
        "--dry-run", action="store_true", help="print every run and its cost; run nothing"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("reports/tables"), metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when runs failed."""
    from boxseg.errors import InputError
    from experiments.compose import choices
    from experiments.tables import definitions, expand

    names = [word for word in options.words if "=" not in word]
    overrides = [word for word in options.words if "=" in word]
    if not names:
        raise InputError("no table is named; give one, for example table3.")
    if options.seeds < 1:
        raise InputError(f"--seeds {options.seeds} is not a positive number.")
    if options.scale not in choices("scale"):
        raise InputError(
            f"there is no scale {options.scale!r}; choose one of {', '.join(choices('scale'))}."
        )
    tables = definitions(names)
    runs = [
        run
        for table in tables
        for run in expand(
            table, options.scale, options.seeds, options.runs, options.rows, overrides
        )
    ]
    if options.dry_run:
        from experiments.dry_run import describe_runs

        print(describe_runs(runs, tables), end="")
        return 0
    from experiments.inline import run_inline
    from experiments.report_tables import report_tables

    failures = run_inline(runs)
    command = f"boxseg reproduce {' '.join(options.words)} --scale {options.scale}"
    if options.seeds > 1:
        command += f" --seeds {options.seeds}"
    report_tables(
        tables, options.scale, options.runs, options.out, command, options.seeds, overrides
    )
    for name, reason in failures.items():
        print(f"boxseg: run {name} failed: {reason}", file=sys.stderr)
    return 1 if failures else 0
