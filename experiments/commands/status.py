"""How far each cell of a table, or a run, is: done, outdated, running, queued, failed (why)."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.definition import TableDefinition
    from reports.status import RunKey, RunStatus

CLEAR = "\x1b[H\x1b[2J"
"""What empties a terminal's screen."""

LOG = "log.txt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tables, at which scale."""
    parser.add_argument(
        "tables", nargs="*", metavar="TABLE|RUN", help="default: all tables; a run by its directory"
    )
    parser.add_argument("--scale", default="mini")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="expected per cell")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="show the runs at work and in the queue, again and again, until none is left",
    )
    parser.add_argument(
        "--every", type=float, default=5.0, metavar="S", help="seconds between two looks of --watch"
    )


def run(options: argparse.Namespace) -> int:
    """Print a line per run."""
    from boxseg.errors import InputError
    from experiments.configuration.choices import refuse_unknown
    from experiments.launch.progress import status_of_run
    from experiments.launch.tables import definitions
    from reports.formats.plain_text import render_status

    refuse_unknown("scale", options.scale)
    if not options.every > 0:
        raise InputError(f"--every {options.every:g} is not a positive number.")
    folders = [Path(word) for word in options.tables if (Path(word) / "config.yaml").is_file()]
    names = [word for word in options.tables if Path(word) not in folders]
    tables = definitions(names or ([] if folders else ["all"]))
    if options.watch:
        return _watch(options, tables, folders)
    for folder in folders:
        print(_line(folder, status_of_run(folder)))
    for table, told in zip(tables, _states(options, tables), strict=True):
        print(render_status(table, told, options.scale), end="")
    return 0


def _states(
    options: argparse.Namespace, tables: Sequence[TableDefinition]
) -> list[dict[RunKey, RunStatus]]:
    """Per table, what is known of each run now."""
    from experiments.launch.changed_files import with_changed_files
    from experiments.launch.progress import with_progress
    from experiments.launch.slurm.statuses import statuses_of

    of_tables = statuses_of(options.runs, tables, options.scale, range(options.seeds))
    told = []
    for table in tables:
        states = with_changed_files(table, of_tables[table.name], options.scale, options.runs)
        told.append(with_progress(table.name, states, options.scale, options.runs))
    return told


def _line(folder: Path, status: RunStatus) -> str:
    """A run outside any table."""
    log = f"log: {folder / LOG}" if status.log else ""
    parts = (status.state, status.reason.rstrip("."), log)
    return f"{folder}: {'; '.join(part for part in parts if part)}"


def _watch(
    options: argparse.Namespace, tables: Sequence[TableDefinition], folders: Sequence[Path]
) -> int:
    """Show what is at work until nothing is, or Ctrl-C is pressed."""
    from experiments.launch.progress import WAITED_FOR, count_text, status_of_run
    from reports.formats.plain_text import render_status

    try:
        while True:
            of_runs = {folder: status_of_run(folder) for folder in folders}
            text = [f"{_line(folder, status)}\n" for folder, status in of_runs.items()]
            any_left = any(status.state in WAITED_FOR for status in of_runs.values())
            for table, told in zip(tables, _states(options, tables), strict=True):
                left = {key: one for key, one in told.items() if one.state in WAITED_FOR}
                any_left |= bool(left)
                counted = f"{table.name} ({options.scale}): {count_text(told)}\n"
                text.append(render_status(table, left, options.scale) if left else counted)
                text += [f"{count_text(told)}\n"] if left else []
            print(CLEAR if sys.stdout.isatty() else "", *text, sep="", end="", flush=True)
            if not any_left:
                return 0
            time.sleep(options.every)
    except KeyboardInterrupt:
        return 0
