"""What more seeds would tell of tables, and how long they would take at the pace of their runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.claims import Assessment
from reports.power import MOST_SEEDS, POWER
from reports.results import Results
from reports.table import Table
from reports.verdict import LEAST_SEEDS, SMOKE_SCALE


def next_seeds(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    results: Results,
    command: str,
    together: int,
) -> str | None:
    """Say how many seeds give verdicts, what they cost in hours, and the command that runs them.

    Args:
        tables: of one scale, with the runs that their cells show.
        assessments: of their claims.
        results: those runs are in it.
        command: that made the runs.
        together: runs at a time, at least 1.

    Returns:
        One or two sentences; None where no run is shown, no claim is made, or the scale's numbers
        mean nothing.
    """
    shown = {run for table in tables for cell in table.cells for run in cell.runs}
    claims = [one for one in assessments if one.runs]
    if not shown or not claims or tables[0].scale == SMOKE_SCALE:
        return None
    frame = results.frame[results.frame["run"].isin(shown)]
    # A run that several cells share was trained once.
    runs = frame.drop_duplicates(["config_sha256", "seed"])
    of_a_seed = runs["seconds"].sum() / runs["seed"].nunique()
    seeds = int(runs["seed"].max()) + 1
    wanted = LEAST_SEEDS
    sentence = f"A verdict takes {LEAST_SEEDS} seeds of each cell"
    if seeds >= LEAST_SEEDS:
        needed = [one.prospects.seeds for one in claims if one.prospects is not None]
        finite = [one for one in needed if one is not None]
        beyond = len(needed) - len(finite)
        wanted = max(finite, default=seeds)
        if wanted <= seeds:
            return None
        sentence = f"{POWER:.0%} power for the paper's effects takes up to {wanted} seeds"
        if beyond:
            sentence += f", and more than {MOST_SEEDS} for {beyond} of the claims"
    more = wanted - seeds
    bare = re.sub(r" --seeds \d+", "", command)
    return (
        f"{sentence}; {more} more take about {_duration(more * of_a_seed / together)} with "
        f"{together} at a time: {bare} --seeds {wanted}"
    )


def _duration(seconds: float) -> str:
    """Write seconds as minutes, or as hours from two hours on."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
