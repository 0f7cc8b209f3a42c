"""What our runs say of a claim: the rule, fixed before any runs were compared by it.

A claim says that one cell of a table is better than another. What is judged is the mean of the
differences between the two, paired by seed. Its error is pooled over the column (`reports.spread`)
and every test is a t test with that error's degrees of freedom. The claims of a table that can be
tested are a family: the p-values of each kind of test are corrected by Holm's procedure over it, so
that among tables without any effect behind them at most one in twenty has a claim that reads as
replicated, and at most one in twenty a claim that reads as not replicated. The rule, in this order:

- No paired seed: **not run**. Fewer than three: **single run**, whatever it shows.
- At smoke scale: **inconclusive**. A few iterations on a handful of tiny images show that the rows
  run; whatever differs between them then is no evidence for or against the paper.
- Cells measured on different data, or differences that agree to the last digit in all seeds (which
  trainings that differ by their seed do not do): **inconclusive**.
- A claim that builds on a teacher, where the positive controls of the same data and length fail, or
  do not show the known effect of BoxTeacher over BoxInst (`reports.controls`): **no assay
  sensitivity**. Where the controls were not run this gate does not judge.
- **Not replicated** if the difference is significantly below zero. At paper scale with a number of
  the paper to compare with, also if it is outside the tolerance of it and significantly farther
  from it than the tolerance's fixed part. The tolerance is max(0.3 AP, or 1.0 AP on VOC, 2 standard
  errors); its first part is about what runs of one configuration differ by.
- **Replicated** if the difference is significantly above zero and, at paper scale with a number,
  within the tolerance of it. At mini scale only the sign is judged, not the size.
- **No effect larger than the paper's half** if the true difference is significantly inside of plus
  and minus half of the paper's (two one-sided tests: Schuirmann, Journal of Pharmacokinetics and
  Biopharmaceutics 15, 1987).
- Else **inconclusive**.

"Significantly" means a corrected one-sided p below 5%; "significantly farther" a corrected
two-sided one, since either side counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from reports.statistics import FloatArray, has_spread, holm
from reports.vocabulary import Verdict

SMOKE_SCALE = "smoke"
LEAST_SEEDS = 3
LEVEL = 0.05


def fixed_tolerance(dataset: str) -> float:
    """Give the part of the tolerance that is there however many seeds were run, in AP points."""
    return 1.0 if dataset == "voc" else 0.3


def untestable(
    differences: Sequence[float], scale: str, same_data: bool = True
) -> tuple[Verdict, str] | None:
    """Say why a claim cannot be tested, or None where it can.

    Args:
        differences: of a claim's minuend and subtrahend, AP points, one per paired seed, at least
            one.
        scale: `smoke`, `mini` or `paper`.
        same_data: whether both cells were measured on the same dataset and split.

    Returns:
        The verdict, and the reason for it without a full stop.
    """
    n = len(differences)
    if n < LEAST_SEEDS:
        seeds = "one seed proves" if n == 1 else f"{n} seeds prove"
        return Verdict.SINGLE_RUN, f"{seeds} nothing, it takes {LEAST_SEEDS}"
    if scale == SMOKE_SCALE:
        return Verdict.INCONCLUSIVE, "smoke scale is no evidence, it only shows that the rows run"
    if not same_data:
        return Verdict.INCONCLUSIVE, "the two cells were measured on different data"
    if not has_spread(differences):
        return Verdict.INCONCLUSIVE, (
            f"the difference is {differences[0]:+z.2f} in all {n} seeds, to the last digit: "
            "there is no spread to test it with"
        )
    return None


@dataclass(frozen=True)
class Evidence:
    """What the testable claims of a table are tested by; arrays end with an axis over the claims.

    Attributes:
        means: (..., claims) of the differences, AP points.
        errors: (..., claims) standard errors of the means, above 0.
        degrees: (claims,) of freedom of the errors.
        numbers: (claims,) the paper's differences, NaN where it gives none.
        compared: (claims,) whether the size is judged too: at paper scale, on the same data.
        fixed: part of the tolerance, AP points.
    """

    means: FloatArray
    errors: FloatArray
    degrees: FloatArray
    numbers: FloatArray
    compared: NDArray[np.bool_]
    fixed: float


@dataclass(frozen=True)
class PValues:
    """Of each claim the p-values of the rule's tests, (..., claims), each computed when asked for.

    `alone` is uncorrected; the others are corrected over the claims that they are made of.
    """

    evidence: Evidence

    @cached_property
    def alone(self) -> FloatArray:
        """Against "not above zero"."""
        return self._p_above(0.0, self.evidence.means)

    @cached_property
    def above(self) -> FloatArray:
        """Against "not above zero"."""
        return holm(self.alone)

    @cached_property
    def below(self) -> FloatArray:
        """Against "not below zero"."""
        return holm(self._p_above(0.0, -self.evidence.means))

    @cached_property
    def outside(self) -> NDArray[np.bool_]:
        """Tell whether the mean is outside the tolerance; False where sizes are not judged."""
        tolerance = np.maximum(self.evidence.fixed, 2 * self.evidence.errors)
        return self.evidence.compared & (self._off > tolerance)

    @cached_property
    def far(self) -> FloatArray:
        """Two-sided, against "no farther from the paper's number than the fixed tolerance"."""
        two_sided = np.minimum(2 * self._p_above(self.evidence.fixed, self._off), 1.0)
        return _in_family(two_sided, self.evidence.compared)

    @cached_property
    def equivalent(self) -> FloatArray:
        """Against "at least half of the paper's effect, in either direction".

        It is 1 where the paper has no effect above zero to halve.
        """
        margin, means = self.evidence.numbers / 2, self.evidence.means
        p_values = np.maximum(self._p_above(-margin, means), self._p_above(-margin, -means))
        return _in_family(p_values, np.nan_to_num(self.evidence.numbers) > 0)

    @property
    def _off(self) -> FloatArray:
        return np.abs(self.evidence.means - np.nan_to_num(self.evidence.numbers))

    def _p_above(self, bound: FloatArray | float, values: FloatArray) -> FloatArray:
        t = (bound - values) / self.evidence.errors
        return np.asarray(stdtr(self.evidence.degrees, t))

    @property
    def not_replicated(self) -> NDArray[np.bool_]:
        """Which claims read so."""
        return (self.below < LEVEL) | (self.outside & (self.far < LEVEL))

    @property
    def replicated(self) -> NDArray[np.bool_]:
        """Which claims read so."""
        return (self.above < LEVEL) & ~self.outside

    @property
    def no_large_effect(self) -> NDArray[np.bool_]:
        """Which claims read so."""
        return (self.equivalent < LEVEL) & ~self.replicated & ~self.not_replicated

    def verdict(self, claim: int) -> Verdict:
        """Give the verdict on one claim of a single table."""
        if self.not_replicated[claim]:
            return Verdict.NOT_REPLICATED
        if self.replicated[claim]:
            return Verdict.REPLICATED
        return Verdict.NO_LARGE_EFFECT if self.no_large_effect[claim] else Verdict.INCONCLUSIVE


def _in_family(p_values: FloatArray, members: NDArray[np.bool_]) -> FloatArray:
    """Correct the p-values of the members, (claims,), as a family; the others get 1."""
    adjusted = np.ones_like(p_values)
    adjusted[..., members] = holm(p_values[..., members])
    return adjusted
