"""Write the reports of tables from the runs there are; nothing is run."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

DEFAULT_RUNS = Path("runs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tables, from which runs."""
    parser.add_argument("tables", nargs="*", default=["all"], metavar="TABLE")
    parser.add_argument("--scale", default="mini")
    parser.add_argument("--runs", type=Path, default=DEFAULT_RUNS, metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("reports/tables"), metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Print the tables and write their files, the figures and the page.

    All tables from the records of a checkout: also its statement and its README's answer.
    """
    from boxseg.errors import InputError
    from experiments.configuration.choices import refuse_unknown
    from experiments.launch.tables import definitions
    from experiments.reporting.committed import SCALE, is_of_a_checkout, regenerate_committed
    from experiments.reporting.page import write_figures_and_page
    from experiments.reporting.tables import report_tables

    refuse_unknown("scale", options.scale)
    if not options.runs.is_dir():
        raise InputError(f"there is no folder {options.runs} with runs; give one with --runs DIR.")
    command = f"boxseg report {' '.join(options.tables)} --scale {options.scale}"
    if options.runs != DEFAULT_RUNS:
        command += f" --runs {_shown(options.runs)}"
    report = report_tables(
        definitions(options.tables), options.scale, options.runs, options.out, command, seeds=1
    )
    files = write_figures_and_page(report, options.scale, options.runs, options.out, command)
    if options.tables == ["all"] and options.scale == SCALE and is_of_a_checkout(options.runs):
        files += regenerate_committed(options.runs)
    for file in files:
        print(file)
    return 0


def _shown(runs: Path) -> str:
    """Name a folder of runs without the path of this machine, which no report should hold."""
    return shlex.quote(runs.name if runs.is_absolute() else str(runs))
