"""The paper's claims beside what our runs measured of them, each with a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reports.definition import Claim
from reports.statistics import mean, paired_differences, t_interval
from reports.table import Cell, Table
from reports.verdict import judge
from reports.vocabulary import Verdict


@dataclass(frozen=True)
class Assessment:
    """A claim, what our runs measured of it, and the verdict.

    Attributes:
        table: the name of its table.
        scale: of the runs.
        claim: as the table's definition has it.
        paper_difference: AP points: the number in the paper's text, else the printed minuend minus
            the printed subtrahend, else None.
        paper_source: where that number came from, or why there is none.
        seeds: that both cells have, ascending; seeds that only one has are left out.
        differences: minuend minus subtrahend, AP points, one per seed.
        mean: of the differences; None without any.
        low, high: 95% t interval of their mean; None below two seeds.
        verdict: by the rule of `reports.verdict`.
        reason: for the verdict, without a full stop; names the seeds left out.
        runs: folders of the runs behind the differences, the minuend's first.
    """

    table: str
    scale: str
    claim: Claim
    paper_difference: float | None
    paper_source: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    mean: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    reason: str
    runs: tuple[str, ...]


def assess(table: Table, frame: pd.DataFrame) -> tuple[Assessment, ...]:
    """Judge every claim of a table.

    Args:
        table: at one scale; the runs behind its cells are used, and no others.
        frame: as `reports.results.read_results` gives it.
    """
    shown = {run for cell in table.cells for run in cell.runs}
    frame = frame[frame["run"].isin(shown)]
    return tuple(_assess(table, claim, frame) for claim in table.definition.claims)


def of_table(table: Table, assessments: Sequence[Assessment]) -> list[Assessment]:
    """Choose the assessments of a table at its scale."""
    return [one for one in assessments if (one.table, one.scale) == (table.name, table.scale)]


def _assess(table: Table, claim: Claim, frame: pd.DataFrame) -> Assessment:
    cells = [
        table.cell(ref.row, ref.column, claim.metric) for ref in (claim.minuend, claim.subtrahend)
    ]
    minuend, subtrahend = (_values(cell, frame) for cell in cells)
    paired = paired_differences(minuend, subtrahend)
    number, source = _paper_difference(claim, cells)
    if paired.seeds:
        verdict, reason = judge(
            paired.differences,
            table.scale,
            table.definition.dataset,
            number if all(cell.difference is not None for cell in cells) else None,
            same_data=len(_data(cells, frame)) == 1,
        )
    else:
        verdict, reason = Verdict.NOT_RUN, _why_not_run(cells)
    if minuend and subtrahend and paired.unpaired:
        seeds = ", ".join(map(str, paired.unpaired))
        reason += f"; left out, since only one of the two cells has them: seeds {seeds}"
    interval = t_interval(paired.differences)
    return Assessment(
        table=table.name,
        scale=table.scale,
        claim=claim,
        paper_difference=number,
        paper_source=source,
        seeds=paired.seeds,
        differences=paired.differences,
        mean=mean(paired.differences) if paired.seeds else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        verdict=verdict,
        reason=reason,
        runs=tuple(run for cell in cells for run in _of_seeds(cell, paired.seeds, frame)),
    )


def _values(cell: Cell, frame: pd.DataFrame) -> dict[int, float]:
    """Give the value of each seed behind a cell."""
    used = frame[frame["run"].isin(cell.runs) & (frame["metric"] == cell.metric)]
    return dict(zip(used["seed"].tolist(), used["value"].tolist(), strict=True))


def _data(cells: list[Cell], frame: pd.DataFrame) -> set[tuple[str, str]]:
    used = frame[frame["run"].isin([run for cell in cells for run in cell.runs])]
    return set(zip(used["dataset"], used["split"], strict=True))


def _of_seeds(cell: Cell, seeds: tuple[int, ...], frame: pd.DataFrame) -> list[str]:
    used = frame[frame["run"].isin(cell.runs) & (frame["metric"] == cell.metric)]
    return used["run"][used["seed"].isin(seeds)].tolist()


def _paper_difference(claim: Claim, cells: list[Cell]) -> tuple[float | None, str]:
    if claim.stated_difference is not None:
        return claim.stated_difference, f"stated in {claim.source}"
    minuend, subtrahend = (cell.paper.value if cell.paper else None for cell in cells)
    if minuend is None or subtrahend is None:
        return None, "no number in the paper's text, and no two printed cells with one"
    # Both have one decimal; what more there is comes from binary fractions.
    return round(minuend - subtrahend, 6), f"printed cells, {minuend:.1f} - {subtrahend:.1f}"


def _why_not_run(cells: list[Cell]) -> str:
    lacking = [
        f"{cell.row}, {cell.column}: {cell.absence}" for cell in cells if cell.absence is not None
    ]
    return "; ".join(lacking) or "no seed was run in both cells"
