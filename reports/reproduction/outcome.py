"""What became of a table at one scale, by a rule on its verdicts, and what its runs took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reports.claims import Assessment, counted_once, of_table
from reports.table import Table
from reports.vocabulary import Lack, Outcome, Verdict


@dataclass(frozen=True)
class TableOutcome:
    """What became of a table at a scale, in a word; `detail` counts cells and verdicts."""

    status: Outcome
    detail: str


def outcome(table: Table, assessments: Sequence[Assessment]) -> TableOutcome:
    """Judge a table at its scale.

    Not attempted: no cell has a run. Outdated: those that there are were made with another
    configuration than today's, and say nothing of it. Replicated: every claim is. Contradicted: at
    least one claim is not replicated and none is. Partial: everything else, so also a table whose
    runs decide nothing yet.
    """
    filled = {(cell.row, cell.column) for cell in table.cells if cell.runs}
    cells = {(cell.row, cell.column) for cell in table.cells}
    verdicts = Counter(one.verdict for one in counted_once(of_table(table, assessments)))
    detail = f"{len(filled)} of {len(cells)} cells have runs"
    if verdicts:
        counts = (f"{verdicts[one]} {one}" for one in Verdict if verdicts[one])
        detail += f"; {verdicts.total()} claims: {', '.join(counts)}"
    if not filled:
        outdated = any(cell.absence and cell.absence.label is Lack.OUTDATED for cell in table.cells)
        return TableOutcome(Outcome.OUTDATED if outdated else Outcome.NOT_ATTEMPTED, detail)
    return TableOutcome(_status(verdicts), detail)


def _status(verdicts: Counter[Verdict]) -> Outcome:
    replicated = verdicts[Verdict.REPLICATED]
    if verdicts and replicated == verdicts.total():
        return Outcome.REPLICATED
    if verdicts[Verdict.NOT_REPLICATED] and not replicated:
        return Outcome.CONTRADICTED
    return Outcome.PARTIAL


@dataclass(frozen=True)
class PaperCost:
    """What a table's runs at paper scale are estimated to take.

    Attributes:
        table: its name.
        runs: how many, over all configurations and seeds.
        gpu_hours: of all of them for which there is an estimate.
        without_estimate: how many have none.
        basis: what the estimate rests on.
        shared_runs: how many of them a table before this one has too.
        shared_gpu_hours: of these.
    """

    table: str
    runs: int
    gpu_hours: float
    without_estimate: int
    basis: str
    shared_runs: int = 0
    shared_gpu_hours: float = 0.0


@dataclass(frozen=True)
class Spent:
    """What a table's runs at one scale took; `hours` are of wall time, of the finished ones.

    A run that several tables show is counted in the first of them. Runs that repeat a table's on
    other processors are counted for themselves; their `table` says so.
    """

    scale: str
    table: str
    runs: int
    hours: float
    failed: int
    diverged: int


def spent(tables: Sequence[Table], frame: pd.DataFrame) -> list[Spent]:
    """Add up the recorded runs of each table and scale that has any, finished or not."""
    place = {(table.scale, table.name): number for number, table in enumerate(tables)}
    of_tables = pd.Series(list(zip(frame["scale"], frame["table"], strict=True)), frame.index)
    shown = frame.assign(place=of_tables.map(place)).dropna(subset="place")
    # Runs of one configuration are one, in as many folders as tables show it.
    per_run = (
        shown.sort_values("place", kind="stable")
        .drop_duplicates("run")
        .drop_duplicates(["scale", "config_sha256", "seed", "started", "seconds"])
    )
    counted: set[tuple[str, str]] = set()
    found = []
    for table in tables:
        own = per_run[(per_run["scale"] == table.scale) & (per_run["table"] == table.name)]
        failed = diverged = 0
        # The counts are of a cell's runs, so the same for each of its metrics.
        for cell in {(cell.row, cell.column): cell for cell in table.cells}.values():
            key = table.scale, cell.configuration or f"{table.name}/{cell.row}/{cell.column}"
            if key not in counted:
                failed += cell.failed
                diverged += cell.diverged
            counted.add(key)
        if len(own) or failed or diverged:
            hours = float(own["seconds"].sum()) / 3600
            found.append(Spent(table.scale, table.name, len(own), hours, failed, diverged))
    return found


def spent_on_repeats(repeats: pd.DataFrame) -> list[Spent]:
    """Add up the runs of each table and scale that were done again on other processors."""
    per_run = repeats.drop_duplicates("run").groupby(["scale", "table"])["seconds"]
    return [
        Spent(str(scale), f"{table}, on another processor", len(own), own.sum() / 3600, 0, 0)
        for (scale, table), own in per_run
    ]
