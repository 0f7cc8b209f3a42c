"""The error of one run: what is left of a column's scores when its rows and seeds are taken out.

Three seeds of two rows say little about how far runs scatter; the other rows of the column say more
of the same. So the error is pooled over them, by the two-way model without interaction

    score of a row and seed = row + seed + error,

whose errors have one variance over the column. A seed's own part stays out of the error, as it does
in a paired test: for two rows this *is* the paired t test. Where seeds have no part of their own,
taking it out costs `seeds - 1` degrees of freedom of `rows * (seeds - 1)`, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.statistics import FloatArray


@dataclass(frozen=True)
class PooledError:
    """The standard deviation of a run's error, in the unit of the scores, and what it rests on.

    Attributes:
        sd: at least 0.
        degrees: of freedom, at least 1.
    """

    sd: float
    degrees: int

    def of_difference(self, seeds: int) -> float:
        """Give the standard error of the mean difference of two rows over this many seeds."""
        return self.sd * math.sqrt(2 / seeds)


def pooled_variances(scores: FloatArray, present: NDArray[np.bool_]) -> tuple[FloatArray, int]:
    """Estimate the error's variance in any number of columns of one pattern.

    Args:
        scores: (..., rows, seeds); what stands where there was no run is not looked at.
        present: (rows, seeds), which runs there are.

    Returns:
        Variances, of the leading shape, and their degrees of freedom; with 0 degrees they are NaN.
    """
    row, seed = np.nonzero(present)
    design = np.concatenate([np.eye(present.shape[0])[row], np.eye(present.shape[1])[seed]], axis=1)
    degrees = len(row) - int(np.linalg.matrix_rank(design)) if len(row) else 0
    found = scores[..., row, seed]
    if degrees == 0:
        return np.full(found.shape[:-1], np.nan), 0
    fitted = found @ (design @ np.linalg.pinv(design)).T
    return ((found - fitted) ** 2).sum(axis=-1) / degrees, degrees


def pooled_error(rows: Sequence[Mapping[int, float]]) -> PooledError | None:
    """Estimate the error of a column's runs; None where there is no degree of freedom.

    Args:
        rows: of one column, each the score of every seed it has; rows may lack seeds.
    """
    seeds = sorted({seed for row in rows for seed in row})
    scores = np.array([[row.get(seed, np.nan) for seed in seeds] for row in rows], dtype=float)
    if not seeds:
        return None
    variance, degrees = pooled_variances(scores, ~np.isnan(scores))
    return PooledError(math.sqrt(float(variance)), degrees) if degrees else None


def within_groups(groups: Sequence[Sequence[float]]) -> PooledError | None:
    """Estimate the standard deviation within groups of repeated measurements of one thing each."""
    repeated = [np.asarray(group, dtype=float) for group in groups if len(group) > 1]
    degrees = sum(len(group) - 1 for group in repeated)
    if not degrees:
        return None
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in repeated)
    return PooledError(math.sqrt(squares / degrees), degrees)
