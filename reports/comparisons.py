"""What a claim compares, the error it has, and the power that comes of both."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reports.definition import CellRef, Claim
from reports.spread import POOLED_OVER, PooledError, error_of_column, pooled_error, values_by_row
from reports.statistics import CONFIDENCE, FloatArray, mean, paired_differences
from reports.table import PAPER_SCALE, Cell, Table
from reports.verdict import LEAST_SEEDS, Evidence, PValues, fixed_tolerance

_OF_A_TEACHER = "pseudo/"  # begins the metrics of a teacher's pseudo masks

POWER = 0.8
MOST_SEEDS = 100

_DRAWS = 4_000
_SEED = 0


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


# Computed by drawing tables in which every claim of the family has the paper's effect, with the
# error as it was estimated, and applying the rule to them (`reports.verdict.PValues`): Holm's
# correction makes a claim's chance depend on the others', for which there is no formula.
@dataclass(frozen=True)
class Design:
    """The testable claims of a table, and the errors that they are tested with.

    Attributes:
        cells: (claims, 2) numbers of the minuend's and the subtrahend's cell.
        sds: (claims,) of a run's error in the claim's column, AP points, above 0.
        pools: (claims,) number of the column whose error that is.
        rows: (claims,) over how many rows of that column the error is pooled, at least 2.
        numbers: (claims,) the paper's differences, NaN where it gives none.
        compared: (claims,) whether the size is judged too.
        fixed: part of the tolerance, AP points.
    """

    cells: NDArray[np.intp]
    sds: FloatArray
    pools: NDArray[np.intp]
    rows: NDArray[np.intp]
    numbers: FloatArray
    compared: NDArray[np.bool_]
    fixed: float

    def with_larger_errors(self, degrees: NDArray[np.intp]) -> Design:
        """Give the design at the upper end of the errors' 95% interval; `degrees` are theirs."""
        return self._with_errors_at((1 - CONFIDENCE) / 2, degrees)

    def with_smaller_errors(self, degrees: NDArray[np.intp]) -> Design:
        """Give the design at the lower end of the errors' 95% interval; `degrees` are theirs."""
        return self._with_errors_at((1 + CONFIDENCE) / 2, degrees)

    def _with_errors_at(self, quantile: float, degrees: NDArray[np.intp]) -> Design:
        factors = np.sqrt(degrees / stats.chi2.ppf(quantile, degrees))
        return replace(self, sds=self.sds * factors)

    def powers(self, seeds: int, draws: int = _DRAWS) -> FloatArray:
        """Give each claim's chance to read as replicated, (claims,), in [0, 1].

        A claim without a number of the paper's has none: its effect is taken for zero, and the
        chance is of reading as replicated all the same.

        Args:
            seeds: that every cell has, at least 2.
            draws: of tables; 4,000 leave a standard error below one point.
        """
        rng = np.random.default_rng(_SEED)
        degrees = ((self.rows - 1) * (seeds - 1)).astype(float)
        noise = rng.standard_normal((draws, int(self.cells.max()) + 1))
        # One draw of the error per column: its claims share it. Columns have their own degrees.
        of_pool = {int(pool): float(degrees[self.pools == pool][0]) for pool in self.pools}
        scale = {
            pool: np.sqrt(rng.chisquare(of_pool[pool], draws) / of_pool[pool])
            for pool in sorted(of_pool)
        }
        estimated = np.stack([scale[int(pool)] for pool in self.pools], axis=1)
        apart = noise[:, self.cells[:, 0]] - noise[:, self.cells[:, 1]]
        tests = PValues(
            Evidence(
                means=np.nan_to_num(self.numbers) + self.sds / np.sqrt(seeds) * apart,
                errors=self.sds * np.sqrt(2 / seeds) * estimated,
                degrees=degrees,
                numbers=self.numbers,
                compared=self.compared,
                fixed=self.fixed,
            )
        )
        return np.asarray(tests.replicated.mean(axis=0))

    def seeds_needed(self, power: float = POWER, most: int = MOST_SEEDS) -> list[int | None]:
        """Give for each claim the least number of seeds with this power; None above `most`.

        None too for a claim without an effect of the paper's above zero.
        """

        @cache
        def powers(seeds: int) -> FloatArray:
            return self.powers(seeds, _DRAWS // 2)

        def least(claim: int) -> int | None:
            if not self.numbers[claim] > 0 or powers(most)[claim] < power:
                return None
            low, high = LEAST_SEEDS, most
            while low < high:
                middle = (low + high) // 2
                if powers(middle)[claim] < power:
                    low = middle + 1
                else:
                    high = middle
            return low

        return [least(claim) for claim in range(len(self.numbers))]
