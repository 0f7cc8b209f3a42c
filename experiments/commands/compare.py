"""Runs side by side: keys that differ, scores, losses, pseudo masks and times."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, and how to print."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(options: argparse.Namespace) -> int:
    """Print what is found; a run need not be finished."""
    import json

    from boxseg.errors import InputError
    from experiments.reporting.comparison.side_by_side import compare
    from experiments.reporting.comparison.text import MOST, comparison_text

    if not 2 <= len(options.runs) <= MOST:
        raise InputError(
            f"{len(options.runs)} runs are given; give from 2 to {MOST}, by their directories or "
            "their result.json."
        )
    found = compare(options.runs)
    print(
        json.dumps(found.content(), indent=2) if options.json else comparison_text(found).rstrip()
    )
    return 0
