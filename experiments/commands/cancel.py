"""End the queued and running Slurm jobs of tables; what they have done stays."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tables, at which scale."""
    parser.add_argument("tables", nargs="*", default=["all"], metavar="TABLE")
    parser.add_argument("--scale", default="mini")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Print what was cancelled."""
    from experiments.configuration.choices import refuse_unknown
    from experiments.launch.slurm.cancel import cancel
    from experiments.launch.tables import definitions

    refuse_unknown("scale", options.scale)
    tables = [table.name for table in definitions(options.tables)]
    for name, task in cancel(tables, options.scale, options.runs).items():
        print(f"{name}: cancelled job {task}")
    return 0
