"""What runs can show: the chance that a claim reads as replicated if the paper's effect is there.

Computed by drawing tables in which every claim of the family has the paper's effect, with the error
as it was estimated, and applying the rule to them (`reports.verdict.PValues`): Holm's correction
makes a claim's chance depend on the others', for which there is no formula.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reports.statistics import CONFIDENCE, FloatArray
from reports.verdict import LEAST_SEEDS, Evidence, PValues

POWER = 0.8
MOST_SEEDS = 100

_DRAWS = 4_000
_SEED = 0


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
