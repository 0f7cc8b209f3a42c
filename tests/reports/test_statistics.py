from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from reports import statistics
from reports.statistics import Interval, Paired

SAMPLES = ([36.0, 37.0, 41.0], [1.5, 1.25], [30.1, 30.4, 29.8, 31.0, 30.2], list(range(20)))


def test_worked_by_hand() -> None:
    values = [36.0, 37.0, 41.0]
    # Mean 114 / 3 = 38; squares (4 + 1 + 9) / 2 = 7; 4.302653 is the t of 97.5% with 2 degrees.
    assert statistics.mean(values) == 38.0
    assert statistics.sample_sd(values) == pytest.approx(math.sqrt(7), abs=1e-12)
    half = 4.302653 * math.sqrt(7 / 3)
    found = statistics.t_interval(values)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((38 - half, 38 + half), abs=1e-5)


def test_one_value_has_no_spread_and_no_interval() -> None:
    assert statistics.mean([36.8]) == 36.8
    for function in (
        statistics.sample_sd,
        statistics.standard_error,
        statistics.t_interval,
        statistics.bootstrap_interval,
    ):
        assert function([36.8]) is None
        assert function([]) is None


@pytest.mark.parametrize("values", SAMPLES)
def test_t_interval_is_scipy_s(values: list[float]) -> None:
    found = statistics.t_interval(values)
    wanted = scipy.stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=scipy.stats.sem(values)
    )
    assert found is not None
    assert (found.low, found.high) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("values", SAMPLES)
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_bootstrap_is_scipy_s(values: list[float], confidence: float) -> None:
    ours = statistics.bootstrap_interval(values, confidence, resamples=20_000, seed=1)
    theirs = scipy.stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=confidence,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert ours is not None
    # Two draws of 20,000: their 2.5% quantiles of the mean differ by some hundredths of an sd of
    # it, or, of three values, by a step between two neighbouring means at the most.
    error = scipy.stats.sem(values)
    tolerance = 0.1 * error
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=tolerance)


def test_bootstrap_is_seeded() -> None:
    values = [30.1, 30.4, 29.8, 31.0, 30.2]
    assert statistics.bootstrap_interval(values) == statistics.bootstrap_interval(values)
    other = statistics.bootstrap_interval(values, resamples=200, seed=7)
    assert other != statistics.bootstrap_interval(values, resamples=200, seed=8)


def test_bootstrap_covers_the_mean_of_many_values() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        values = rng.normal(5.0, 2.0, 40).tolist()
        found = statistics.bootstrap_interval(values, resamples=400, seed=trial)
        assert found is not None
        covered += found.low <= 5.0 <= found.high
    # 95% of 200 is 190, give or take three standard deviations of 3.1.
    assert 180 <= covered <= 199


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.4, times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.4, none below its left.
    found = statistics.holm(np.array([0.03, 0.01, 0.4, 0.02]))
    assert found == pytest.approx([0.06, 0.04, 0.4, 0.06])
    assert statistics.holm(np.array([0.6, 0.9])) == pytest.approx([1.0, 1.0])
    assert statistics.holm(np.array([0.2])) == pytest.approx([0.2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_what_its_steps_reject(p_values: list[float], level: float) -> None:
    left = sorted(range(len(p_values)), key=lambda place: p_values[place])
    rejected = set()
    while left and p_values[left[0]] * len(left) < level:
        rejected.add(left.pop(0))
    found = statistics.holm(np.array(p_values))
    assert {place for place, p in enumerate(found) if p < level} == rejected
    assert (found >= np.array(p_values)).all() and (found <= 1).all()


def test_families_are_corrected_apart() -> None:
    rng = np.random.default_rng(0)
    p_values = rng.random((5, 3, 4))
    together = statistics.holm(p_values)
    apart = [[statistics.holm(family) for family in block] for block in p_values]
    assert together == pytest.approx(np.array(apart))


@pytest.mark.parametrize("values", [[0.3], [0.3, 0.3, 0.3], [0.1 + 0.2, 0.3, 0.3]])
def test_rounding_is_no_spread(values: list[float]) -> None:
    assert not statistics.has_spread(values)


def test_pairs_are_of_one_seed() -> None:
    paired = statistics.paired_differences({0: 10.0, 1: 20.0, 4: 5.0}, {1: 18.5, 0: 11.0, 7: 1.0})
    assert paired == Paired(seeds=(0, 1), differences=(-1.0, 1.5), unpaired=(4, 7))


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8), st.randoms())
def test_the_order_of_the_runs_does_not_matter(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert statistics.mean(values) == statistics.mean(shuffled)
    assert statistics.t_interval(values) == statistics.t_interval(shuffled)
    interval = statistics.t_interval(values)
    assert isinstance(interval, Interval)
    assert interval.low <= statistics.mean(values) <= interval.high
