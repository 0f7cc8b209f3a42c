"""Means over seeds, their intervals, and differences between rows paired by seed.

Intervals are Student's t intervals of the mean over seeds: they take the runs' scores as normal and
independent, and with the usual three seeds they are wide (t = 4.30) and lean on that assumption.
The percentile bootstrap beside them assumes no normality, but is too narrow for so few values.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

CONFIDENCE = 0.95

_RESAMPLES = 9999
_SEED = 0
# Of values in per cent: less is the rounding of floating-point numbers, not a spread.
_NO_SPREAD = 1e-9


@dataclass(frozen=True)
class Interval:
    """Bounds of a mean, in the unit of the values."""

    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """Differences between two rows of runs, seed by seed.

    `unpaired` are the seeds that only one of the two has.
    """

    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    unpaired: tuple[int, ...]


def mean(values: Sequence[float]) -> float:
    """Give the arithmetic mean of one or more values; the same whatever their order."""
    return statistics.fmean(values)


def sample_sd(values: Sequence[float]) -> float | None:
    """Give the standard deviation with n - 1 degrees of freedom; None below two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def standard_error(values: Sequence[float]) -> float | None:
    """Give sd / sqrt(n); None below two values."""
    sd = sample_sd(values)
    return None if sd is None else sd / math.sqrt(len(values))


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Give Student's t interval of the mean; None below two values."""
    error = standard_error(values)
    if error is None:
        return None
    # `stats.t.interval` has none where all values agree, which is a point here.
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return Interval(mean(values) - half, mean(values) + half)


def bootstrap_interval(
    values: Sequence[float],
    confidence: float = CONFIDENCE,
    resamples: int = _RESAMPLES,
    seed: int = _SEED,
) -> Interval | None:
    """Give the percentile bootstrap interval of the mean; None below two values.

    Seeded: the same values, in the same order, give the same interval.
    """
    if len(values) < 2:
        return None
    low, high = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(low), float(high))


def holm(p_values: FloatArray) -> FloatArray:
    """Adjust p-values by Holm's step-down procedure, for tests of any dependence.

    Rejecting where the adjusted value is below a level keeps the chance of any false rejection in
    the family below that level (Holm, Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: (..., tests), each family along the last axis.

    Returns:
        Of the same shape, in [0, 1].
    """
    tests = p_values.shape[-1]
    order = np.argsort(p_values, axis=-1, kind="stable")
    scaled = np.take_along_axis(p_values, order, axis=-1) * np.arange(tests, 0, -1)
    adjusted = np.empty_like(scaled)
    stepped = np.minimum(np.maximum.accumulate(scaled, axis=-1), 1.0)
    np.put_along_axis(adjusted, order, stepped, axis=-1)
    return adjusted


def has_spread(values: Sequence[float]) -> bool:
    """Tell whether the values (per cent or AP points) differ by more than rounding."""
    return max(values) - min(values) > _NO_SPREAD


def paired_differences(minuend: Mapping[int, float], subtrahend: Mapping[int, float]) -> Paired:
    """Subtract seed by seed; both mappings go from a seed to a value."""
    seeds = sorted(minuend.keys() & subtrahend.keys())
    return Paired(
        seeds=tuple(seeds),
        differences=tuple(minuend[seed] - subtrahend[seed] for seed in seeds),
        unpaired=tuple(sorted(minuend.keys() ^ subtrahend.keys())),
    )
