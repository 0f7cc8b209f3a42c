"""Theorems 3.1 and 3.6 in simulation: they hold where assumed, and can fail where not."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from boxseg.errors import InputError
from boxseg.theory import (
    BoundTrials,
    MaskErrors,
    PixelScores,
    Scores,
    simulate_fused_mask,
    simulate_quality_score,
    sweep_fused_mask,
    sweep_quality_score,
)


@pytest.mark.parametrize("delta", [0.05, 0.3])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("candidates", [1, 2, 10, 20])
def test_the_bounds_hold_as_often_as_promised(
    candidates: int, threshold: float, delta: float
) -> None:
    # Errors that the score says nothing of are the largest, and what Hoeffding's inequality is for.
    errors = MaskErrors(informative=0.0)
    for found in (
        simulate_fused_mask(candidates, threshold, errors=errors, delta=delta),
        simulate_quality_score(candidates, threshold, delta=delta),
    ):
        assert found.share_within >= 1 - delta
        assert 0 < found.tightness < 1


def test_the_share_is_not_trivially_one() -> None:
    """A bound that every trial keeps by far would hide a simulation without errors."""
    errors = MaskErrors(informative=0.0, quality_noise=0.0)
    found = simulate_fused_mask(20, 0.0, errors=errors, delta=0.3)
    assert 0.7 <= found.share_within < 0.95


def test_copies_of_one_candidate_break_the_bound_of_the_fused_mask() -> None:
    broken = simulate_fused_mask(20, 0.1, errors=MaskErrors(correlation=1.0))
    assert broken.share_within < 0.5


def test_a_bias_is_paid_for_by_the_approximation_term() -> None:
    biased = simulate_fused_mask(20, 0.1, errors=MaskErrors(bias=0.4))
    fair = simulate_fused_mask(20, 0.1)
    assert biased.share_within >= 0.95
    assert biased.error.mean() > fair.error.mean() + 0.2
    # Without that term, as assumption B.1 has it, the bound breaks.
    assert (biased.error <= fair.bound.mean()).mean() < 0.95


def test_with_the_errors_drawn_the_first_term_alone_bounds_the_fused_mask() -> None:
    """A convex combination is never further off than the worst of what it combines."""
    worst_case = MaskErrors(correlation=0.5, bias=0.3, quality_noise=0.5)
    found = simulate_fused_mask(8, 0.1, errors=worst_case, reading="realised", delta=1 - 1e-12)
    assert found.share_within == 1.0


def test_equal_scores_break_the_bound_of_the_quality() -> None:
    extremes = {"alpha": 0.3, "beta": 0.3}
    kept = simulate_quality_score(20, 0.1, scores=Scores(**extremes))
    broken = simulate_quality_score(20, 0.1, scores=Scores(**extremes, correlation=1.0))
    assert kept.share_within >= 0.95
    assert broken.share_within < 0.95


def test_scores_that_are_all_too_high_break_the_bound_of_the_quality() -> None:
    low = Scores(alpha=1.0, beta=3.0)
    kept = simulate_quality_score(100, 0.0, scores=low)
    broken = simulate_quality_score(100, 0.0, scores=low, score_bias=0.5)
    assert kept.share_within >= 0.95
    assert broken.share_within < 0.5


def test_the_quality_is_that_of_the_draws() -> None:
    """One candidate and one pixel of values known up to their range: q* = sqrt(mu_s mu_p)."""
    sure = Scores(alpha=8e8, beta=2e8)  # 0.8, nearly without spread
    found = simulate_quality_score(5, 0.1, scores=sure, pixels=PixelScores(1, threshold=0.0))
    # q = sqrt(0.8 p) with p uniform on (0, 1], q* = sqrt(0.8 x 0.5): greatest error at p near 0.
    assert found.error.max() == pytest.approx((0.8 * 0.5) ** 0.5, abs=0.02)
    # E sqrt(p) = 2/3, so the mean of q is 0.8^0.5 x 2/3 and the error's mean is at least the bias.
    assert found.error.mean() >= abs(0.8**0.5 * 2 / 3 - 0.4**0.5)


def test_the_mean_above_a_threshold() -> None:
    # Uniform: the middle between the threshold and 1. Beta(2, 1), density 2x: above 1/2 it is
    # (2/3)(1 - 1/8) / (1 - 1/4) = 7/9.
    assert Scores().mean_above(0.3) == pytest.approx(0.65)
    assert Scores(alpha=2.0).mean_above(0.5) == pytest.approx(7 / 9)


def test_trials_without_a_candidate_are_left_out() -> None:
    found = simulate_fused_mask(1, 0.5, errors=MaskErrors(quality_noise=0.0))
    assert found.drawn == 10_000
    assert len(found.error) == pytest.approx(5_000, abs=200)
    assert (found.candidates == 1).all()
    none = simulate_quality_score(1, 0.999999, trials=10)
    assert len(none.error) == 0
    assert np.isnan(none.share_within)


def test_a_trial_counts_as_within_at_the_bound_itself() -> None:
    found = BoundTrials(np.array([0.5, 0.6]), np.array([0.5, 0.5]), np.array([1, 1]), 2)
    assert found.share_within == 0.5
    assert found.tightness == pytest.approx((1 + 1.2) / 2)


def test_the_seed_decides() -> None:
    first, again = (simulate_fused_mask(5, 0.1, trials=100, seed=3) for _ in range(2))
    other = simulate_fused_mask(5, 0.1, trials=100, seed=4)
    np.testing.assert_array_equal(first.error, again.error)
    assert not np.array_equal(first.error, other.error)


@pytest.mark.parametrize("sweep", [sweep_fused_mask, sweep_quality_score])
def test_more_candidates_tighten_the_bound_and_a_threshold_loosens_it(sweep: object) -> None:
    rows = [asdict(row) for row in sweep((2, 20), (0.0, 0.5), trials=500)]  # type: ignore[operator]
    bounds = {(row["threshold"], row["candidates"]): row["mean_bound"] for row in rows}
    assert list(bounds) == [(0.0, 2), (0.0, 20), (0.5, 2), (0.5, 20)]
    assert bounds[0.0, 20] < bounds[0.0, 2]
    assert bounds[0.5, 20] > bounds[0.0, 20]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: simulate_fused_mask(0, 0.1),
        lambda: simulate_fused_mask(1, 1.0),
        lambda: simulate_quality_score(1, 0.1, delta=0.0),
        lambda: Scores(alpha=0.0),
        lambda: Scores(correlation=1.5),
        lambda: MaskErrors(spread=0.6),
        lambda: PixelScores(count=0),
    ],
)
def test_senseless_settings_are_refused(wrong: object) -> None:
    with pytest.raises(InputError, match=r"\.$"):
        wrong()  # type: ignore[operator]
