"""Write the reports of tables from the runs there are; nothing is run."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

DEFAULT_RUNS, REPORTS = Path("runs"), Path("reports/tables")
OWN = "runs"
"""The word before single runs, which are no table's."""
RUNS_TOGETHER = 2
"""At a time, in what the next command is said to take."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tables, from which runs."""
    parser.add_argument(
        "tables",
        nargs="*",
        default=["all"],
        metavar="TABLE",
        help="table1 ... or all; or the word runs and folders of runs: `boxseg report runs RUN...`",
    )
    parser.add_argument("--scale", default="mini")
    parser.add_argument("--runs", type=Path, default=DEFAULT_RUNS, metavar="DIR")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="default: reports/tables; of single runs reports/tables/runs",
    )


def run(options: argparse.Namespace) -> int:
    """Write the tables, the figures and the page, and say in a few lines what they tell.

    After the word `runs`: the page of the runs that are named. All tables from the records of a
    checkout: also its statement and its README's answer.
    """
    from boxseg.errors import InputError
    from experiments.configuration.compose import refuse_no_scale_of_tables
    from experiments.launch.tables import definitions
    from experiments.reporting.committed import SCALE, is_of_a_checkout, regenerate_committed
    from experiments.reporting.page import write_figures_and_page
    from experiments.reporting.tables import write_tables
    from reports.formats.plain_text import render_summary
    from reports.own_runs import is_run
    from reports.wording.claims import next_command

    if options.tables[0] == OWN:
        return _report_own(options)
    refuse_no_scale_of_tables(options.scale)
    if not options.runs.is_dir():
        raise InputError(f"there is no folder {options.runs} with runs; give one with --runs DIR.")
    command = f"boxseg report {' '.join(options.tables)} --scale {options.scale}"
    if options.runs != DEFAULT_RUNS:
        command += f" --runs {_shown(options.runs)}"
    if is_run(options.runs):
        raise InputError(
            f"{options.runs} is the folder of one run; `boxseg report {OWN} RUN...` makes the page "
            "of single runs."
        )
    out = options.out or REPORTS
    report = write_tables(
        definitions(options.tables), options.scale, options.runs, out, command, seeds=1
    )
    write_figures_and_page(report, options.scale, options.runs, out, command)
    following = next_command(report.tables, report.assessments, report.results, RUNS_TOGETHER)
    if following is not None and options.runs != DEFAULT_RUNS:
        following += f" --runs {shlex.quote(str(options.runs))}"
    print(render_summary(report.tables, report.assessments, out, following), end="")
    if options.tables == ["all"] and options.scale == SCALE and is_of_a_checkout(options.runs):
        files = regenerate_committed(options.runs)
        print(f"Checkout: {', '.join(map(str, files))}")
    return 0


def _report_own(options: argparse.Namespace) -> int:
    """Write the page of the runs that are named."""
    from boxseg.errors import InputError
    from experiments.reporting.own_runs import report_own_runs

    folders = [Path(word) for word in options.tables[1:]]
    if not folders:
        raise InputError(f"no run is named; give folders of runs: boxseg report {OWN} RUN...")
    names = " ".join(_shown(folder) for folder in folders)
    page = report_own_runs(folders, options.out or REPORTS / OWN, f"boxseg report {OWN} {names}")
    print(f"Page: {page}")
    return 0


def _shown(runs: Path) -> str:
    """Name a folder of runs without the path of this machine, which no report should hold."""
    return shlex.quote(runs.name if runs.is_absolute() else str(runs))
