"""How far each cell of a table is: done, outdated, running, queued, failed (why, and its log)."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tables, at which scale."""
    parser.add_argument("tables", nargs="*", default=["all"], metavar="TABLE")
    parser.add_argument("--scale", default="mini")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="expected per cell")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Print a line per run."""
    from experiments.configuration.choices import refuse_unknown
    from experiments.launch.changed_files import with_changed_files
    from experiments.launch.slurm.statuses import statuses_of
    from experiments.launch.tables import definitions
    from reports.formats.plain_text import render_status

    refuse_unknown("scale", options.scale)
    tables = definitions(options.tables)
    statuses = statuses_of(options.runs, tables, options.scale, range(options.seeds))
    for table in tables:
        told = with_changed_files(table, statuses[table.name], options.scale, options.runs)
        print(render_status(table, told, options.scale), end="")
    return 0
