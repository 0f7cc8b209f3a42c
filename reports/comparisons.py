"""What a claim compares: the differences between two cells' runs, and the error they have."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.definition import CellRef, Claim
from reports.power import Design
from reports.spread import POOLED_OVER, PooledError, error_of_column, pooled_error, values_by_row
from reports.statistics import mean, paired_differences
from reports.table import PAPER_SCALE, Cell, Table
from reports.verdict import Evidence, fixed_tolerance

_OF_A_TEACHER = "pseudo/"  # begins the metrics of a teacher's pseudo masks


@dataclass(frozen=True, eq=False)
class Comparison:
    """A claim and what was measured of it.

    Attributes:
        claim: as the table's definition has it.
        cells: the minuend's and the subtrahend's.
        number: the paper's difference, AP points: in the paper's text, else the printed minuend
            minus the printed subtrahend, else None.
        source: where that number came from, or why there is none.
        compared: whether ours may be compared with it in size.
        seeds: that both cells have, ascending.
        differences: minuend minus subtrahend, AP points, one per seed.
        unpaired: seeds that only one of two cells with runs has.
        same_data: whether all runs were measured on the same dataset and split.
        error: of a run; None where too few runs tell.
        pool: what the error was pooled over; comparisons with equal ones share it.
        rows: over how many rows.
        runs: of the cells, in the claim's metric, with the frame's columns; the minuend's first.
        builds_on_a_teacher: whether a run of a cell has measured the pseudo masks of a teacher.
    """

    claim: Claim
    cells: tuple[Cell, Cell]
    number: float | None
    source: str
    compared: bool
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    unpaired: tuple[int, ...]
    same_data: bool
    error: PooledError | None
    pool: Hashable
    rows: int
    runs: pd.DataFrame
    builds_on_a_teacher: bool

    @property
    def seeds_on_two_processors(self) -> list[int]:
        """Give the seeds whose two runs were made on processors of different kinds."""
        paired = self.runs[self.runs["seed"].isin(self.seeds)]
        kinds = paired.groupby("seed")["processor"].nunique()
        return kinds.index[kinds > 1].tolist()


def compare(table: Table, claim: Claim, frame: pd.DataFrame) -> Comparison:
    """Measure a claim.

    Args:
        table: of the claim.
        claim: one of the table's.
        frame: of the runs behind the table's cells.
    """
    cells = (
        table.cell(claim.minuend.row, claim.minuend.column, claim.metric),
        table.cell(claim.subtrahend.row, claim.subtrahend.column, claim.metric),
    )
    measured = frame[frame["metric"] == claim.metric].dropna(subset="value")
    minuend, subtrahend = (measured[measured["run"].isin(cell.runs)] for cell in cells)
    both = pd.concat([minuend, subtrahend])
    first, second = (
        dict(zip(runs["seed"].tolist(), runs["value"].tolist(), strict=True))
        for runs in (minuend, subtrahend)
    )
    paired = paired_differences(first, second)
    number, source = _paper_difference(claim, cells)
    kinds = both[POOLED_OVER].drop_duplicates()
    if len(kinds) == 1:
        pool: Hashable = (claim.metric, *kinds.iloc[0])
        alike = measured[(measured[POOLED_OVER] == kinds.iloc[0]).all(axis=1)]
        error, of_row = error_of_column(alike), values_by_row(alike)
    else:
        # Nothing says that the runs of two columns, or lengths, scatter alike or share a seed's
        # luck: such a claim stands on its own differences.
        pool = claim.id
        of_row = {
            name: {seed: runs[seed] for seed in paired.seeds}
            for name, runs in (("minuend", first), ("subtrahend", second))
        }
        error = pooled_error(list(of_row.values()))
    return Comparison(
        claim=claim,
        cells=cells,
        number=number,
        source=source,
        compared=(
            table.scale == PAPER_SCALE
            and number is not None
            and all(cell.difference is not None for cell in cells)
        ),
        seeds=paired.seeds,
        differences=paired.differences,
        unpaired=paired.unpaired if first and second else (),
        same_data=len(both[["dataset", "split"]].drop_duplicates()) == 1,
        error=error,
        pool=pool,
        rows=max(2, sum(len(row) > 1 for row in of_row.values())),
        runs=both,
        builds_on_a_teacher=bool(
            frame["metric"][frame["run"].isin(both["run"])].str.startswith(_OF_A_TEACHER).any()
        ),
    )


def evidence(comparisons: Sequence[Comparison], dataset: str) -> Evidence:
    """Gather what the rule tests a family of comparisons by; each has an error above 0."""
    errors = [one.error for one in comparisons if one.error is not None]
    return Evidence(
        means=np.array([mean(one.differences) for one in comparisons]),
        errors=np.array(
            [
                error.of_difference(len(one.seeds))
                for one, error in zip(comparisons, errors, strict=True)
            ]
        ),
        degrees=np.array([float(error.degrees) for error in errors]),
        numbers=_numbers(comparisons),
        compared=np.array([one.compared for one in comparisons], dtype=bool),
        fixed=fixed_tolerance(dataset),
    )


def design(comparisons: Sequence[Comparison], dataset: str) -> Design:
    """Gather what the power of a family of comparisons follows from; each has an error above 0."""
    places: dict[tuple[CellRef, str], int] = {}
    pools: dict[Hashable, int] = {}
    return Design(
        cells=np.array(
            [
                [
                    places.setdefault((cell, one.claim.metric), len(places))
                    for cell in (one.claim.minuend, one.claim.subtrahend)
                ]
                for one in comparisons
            ]
        ),
        sds=np.array([one.error.sd for one in comparisons if one.error is not None]),
        pools=np.array([pools.setdefault(one.pool, len(pools)) for one in comparisons]),
        rows=np.array([one.rows for one in comparisons]),
        numbers=_numbers(comparisons),
        compared=np.array([one.compared for one in comparisons], dtype=bool),
        fixed=fixed_tolerance(dataset),
    )


def _numbers(comparisons: Sequence[Comparison]) -> np.ndarray:
    return np.array([np.nan if one.number is None else one.number for one in comparisons])


def _paper_difference(claim: Claim, cells: tuple[Cell, Cell]) -> tuple[float | None, str]:
    if claim.stated_difference is not None:
        return claim.stated_difference, f"stated in {claim.source}"
    minuend, subtrahend = (cell.paper.value if cell.paper else None for cell in cells)
    if minuend is None or subtrahend is None:
        return None, "no number in the paper's text, and no two printed cells with one"
    # Both have one decimal; what more there is comes from binary fractions.
    return round(minuend - subtrahend, 6), f"printed cells, {minuend:.1f} - {subtrahend:.1f}"
