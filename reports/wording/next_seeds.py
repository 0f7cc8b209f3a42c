"""What more seeds would tell of tables, and how long they would take at the pace of their runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.claims import Assessment
from reports.definition import MAIN_TABLE
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


def more_seeds_command(
    tables: Sequence[Table],
    assessments: Sequence[Assessment],
    results: Results,
    command: str,
    together: int,
) -> str | None:
    """Give what `next_seeds` does, or another command that is worth its time.

    After smoke runs that is the same at mini scale; where there is nothing to add, all tables'
    report. None where that was asked for anyway.
    """
    following = next_seeds(tables, assessments, results, command, together)
    if following is not None:
        return following
    scale = tables[0].scale
    if scale == SMOKE_SCALE:
        words = command.replace(f"--scale {SMOKE_SCALE}", "--scale mini")
        return f"Numbers of smoke scale mean nothing; those of mini scale do: {words}"
    if len(tables) > 1:
        return None
    return f"All tables on one page: boxseg report all --scale {scale}"


def next_command(
    tables: Sequence[Table], assessments: Sequence[Assessment], results: Results, together: int
) -> str | None:
    """Give the command that adds most to a report: runs where there are none, else more seeds.

    Args:
        tables: of one scale.
        assessments: of their claims.
        results: those that the tables show are in it.
        together: runs at a time, at least 1.
    """
    run = [table.name for table in tables if any(cell.runs for cell in table.cells)]
    names = " ".join(run or [MAIN_TABLE if len(tables) > 1 else tables[0].name])
    command = f"boxseg reproduce {names} --scale {tables[0].scale} --launcher local"
    if not run:
        return f"There are no runs yet; some are made by: {command}"
    return more_seeds_command(tables, assessments, results, command, together)


def _duration(seconds: float) -> str:
    """Write seconds as minutes, or as hours from two hours on."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
