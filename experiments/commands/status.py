"""How far each cell of a table is: done, running, failed (why, and where its log is)."""

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
    from experiments.compose import refuse_unknown
    from experiments.tables import definitions
    from reports.plain_text import render_status
    from reports.status import read_statuses

    refuse_unknown("scale", options.scale)
    for table in definitions(options.tables):
        statuses = read_statuses(options.runs, table, options.scale, range(options.seeds))
        print(render_status(table, statuses, options.scale), end="")
    return 0
