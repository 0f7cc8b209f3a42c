"""How a claim and its verdict read in every format, and what more seeds would tell and take."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.claims import Assessment, counted_once, of_table
from reports.comparisons import MOST_SEEDS, POWER
from reports.definition import MAIN_TABLE
from reports.results import Results
from reports.statistics import Interval
from reports.table import PAPER_SCALE, Table
from reports.verdict import LEAST_SEEDS, SMOKE_SCALE
from reports.vocabulary import Verdict
from reports.wording.cells import bounds
from reports.wording.tables import metric_title

HEAD = ("Claim", "Statement", "Paper", "Ours", "Verdict", "Why")


@dataclass(frozen=True)
class ClaimLine:
    """What is shown of a claim: `cells` reads as `HEAD`; `runs` are behind its difference."""

    id: str
    cells: tuple[str, ...]
    runs: tuple[str, ...]


def claim_lines(table: Table, assessments: Sequence[Assessment]) -> list[ClaimLine]:
    """Give a line for each of the assessments that belong to this table at its scale."""
    return [
        ClaimLine(
            one.claim.id,
            (
                table.definition.claim_number(one.claim.id),
                one.claim.text,
                signed(one.paper_difference, 1),
                our_difference(one),
                str(one.verdict),
                " ".join((f"{one.reason}.", *prospects(one))),
            ),
            one.runs,
        )
        for one in of_table(table, assessments)
    ]


def signed(value: float | None, decimals: int) -> str:
    """Write a difference in AP points as `+0.60`, or `-` where there is none."""
    return "-" if value is None else f"{value:+z.{decimals}f}"


def our_difference(one: Assessment) -> str:
    """Write `+0.60 [0.12, 1.08] (n=3)`, or `-` where nothing was measured."""
    if one.mean is None:
        return "-"
    interval = ""
    if one.low is not None and one.high is not None:
        interval = f" {bounds(Interval(one.low, one.high), 2)}"
    return f"{signed(one.mean, 2)}{interval} (n={len(one.seeds)})"


def prospects(one: Assessment) -> list[str]:
    """Say in sentences what the interval excludes, how certain it is, and what it would take."""
    sentences = []
    if one.error is not None and one.high is not None:
        sentences.append(
            f"Effects above {signed(one.high, 1)} are excluded "
            f"(sd of a run {one.error.sd:.2f}, {one.error.degrees} degrees of freedom)."
        )
    if one.prospects is not None:
        known = one.prospects
        seeds = known.seeds
        takes = f"more than {MOST_SEEDS} seeds" if seeds is None else f"{seeds} seeds"
        sentences.append(
            f"Power for the paper's {signed(one.paper_difference, 1)}: {known.power:.0%} "
            f"({known.low:.0%} to {known.high:.0%} as that sd is uncertain); "
            f"{POWER:.0%} takes {takes}."
        )
    return sentences


def count_verdicts(assessments: Sequence[Assessment]) -> dict[Verdict, int]:
    """Count claims by verdict, those that no claim has included.

    Claims that rest on the same two cells, in whatever tables, count once.
    """
    counts = Counter(one.verdict for one in counted_once(assessments))
    return {verdict: counts[verdict] for verdict in Verdict}


def how_to_read_claims(scale: str) -> str:
    """Explain the numbers and the verdicts of one scale."""
    text = (
        "Each claim says that one cell is better than another. Ours is the mean of the "
        "differences between their runs, paired by seed, in points, with the 95% interval of that "
        "mean (n: the number of pairs). Its error is that of a run, pooled over all rows of the "
        "column after each row's and each seed's own part is taken out. "
    )
    if scale == SMOKE_SCALE:
        return text + (
            "Smoke scale is no evidence, for or against: it only shows that the rows run."
        )
    text += (
        "A verdict rests on a one-sided t test at 5%, corrected by Holm's procedure over the "
        "claims of the table that could be tested: of twenty tables with no effect behind them, "
        "one has a claim that reads as replicated by chance. The interval is two-sided and of the "
        "claim alone, so it may exclude zero where the corrected test does not. "
        f'"{Verdict.NO_LARGE_EFFECT}": two such tests place the true difference within plus and '
        f'minus half of the paper\'s. "{Verdict.NO_ASSAY_SENSITIVITY}": the claim builds on a '
        "teacher, and the positive controls fail or do not show what BoxTeacher is known to gain. "
        "Power is the chance to read as replicated if all of the paper's effects are there, and "
        "the number of seeds that of a cell. "
        f'Below {LEAST_SEEDS} pairs the verdict is "{Verdict.SINGLE_RUN}". '
    )
    if scale == PAPER_SCALE:
        return text + (
            "Where the paper gives a number on the same data, the mean has to be within "
            "max(0.3 AP, or 1.0 AP on VOC, 2 standard errors) of it as well."
        )
    return text + (
        f"At {scale} scale the data and the backbone are not the paper's: judged is whether there "
        "is a difference and which sign it has, not its size."
    )


def claim_label(table: Table, one: Assessment) -> str:
    """Write which two rows a claim compares, shortly: their names are those of its cells."""
    claim = one.claim
    first, second, shared = _without_shared_end(claim.minuend.row, claim.subtrahend.row)
    columns = [claim.minuend.column, claim.subtrahend.column]
    if columns[0] != columns[1]:
        first, second = f"{first} {columns[0]}", f"{second} {columns[1]}"
    elif len(table.definition.columns) > 1:
        shared.append(columns[0])
    if claim.metric != "segm/AP":
        shared.append(metric_title(claim.metric))
    return ", ".join([f"{first} over {second}", *shared])


def _without_shared_end(first: str, second: str) -> tuple[str, str, list[str]]:
    """Take a long end that two names share off both: `a-r50-1x` and `b-r50-1x` share `r50-1x`."""
    left, right = first.split("-"), second.split("-")
    shared: list[str] = []
    while len(left) > 1 and len(right) > 1 and left[-1] == right[-1]:
        shared.insert(0, left.pop())
        right.pop()
    if len(shared) < 2:
        return first, second, []
    return "-".join(left), "-".join(right), ["-".join(shared)]


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
