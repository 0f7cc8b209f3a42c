"""The bounds of theorems 3.1 and 3.6, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from boxseg.theory import (
    fused_mask_bound,
    quality_failure_probability,
    quality_tolerance,
    weight_error,
)


def test_the_fused_mask_s_bound() -> None:
    # log(1 / e^-2) = 2, so the estimation term of 4 candidates is sqrt(2 / 8) = 1 / 2.
    bound = fused_mask_bound(np.array([0.1]), np.array([4]), np.array([0.02]), math.exp(-2))
    assert bound == pytest.approx([0.1 + 0.5 + 0.02])


def test_the_weight_s_error() -> None:
    # Box qualities sqrt(0.64 x 1) = 0.8 and sqrt(0.04 x 1) = 0.2, so weights 0.8 and 0.2. Relative
    # errors: 0.064 / 0.64 + 0 = 0.1 and 0.01 / 0.04 + 0.05 = 0.3. w (1 - w) is 0.16 for both, so
    # the larger error is 0.16 x 0.3 / 2 = 0.024.
    found = weight_error(
        scores=np.array([[0.64, 0.04]]),
        ious=np.array([[1.0, 1.0]]),
        score_errors=np.array([[-0.064, 0.01]]),
        iou_errors=np.array([[0.0, 0.05]]),
        used=np.array([[True, True]]),
    )
    assert found == pytest.approx([0.024])


def test_the_weight_s_error_is_that_of_the_weights_to_first_order() -> None:
    rng = np.random.default_rng(0)
    scores, ious = rng.uniform(0.2, 1, (50, 6)), rng.uniform(0.5, 1, (50, 6))
    used = np.ones((50, 6), dtype=bool)

    def weights(s: np.ndarray, u: np.ndarray) -> np.ndarray:
        return np.sqrt(s * u) / np.sqrt(s * u).sum(axis=1, keepdims=True)

    for place in range(6):  # one candidate's score is off by a little
        errors = np.zeros((50, 6))
        errors[:, place] = 1e-5
        off = np.abs(weights(scores + errors, ious) - weights(scores, ious)).max(axis=1)
        bound = weight_error(scores, ious, errors, np.zeros((50, 6)), used)
        np.testing.assert_allclose(off, bound, rtol=1e-3)


def test_one_candidate_has_all_the_weight_whatever_its_quality() -> None:
    alone = np.array([[True, False], [False, False]])
    ones = np.full((2, 2), 0.5)
    np.testing.assert_array_equal(weight_error(ones, ones, ones, ones, alone), [0, 0])


def test_the_quality_score_s_failure_probability() -> None:
    # eps^2 = 1/8: 2 exp(-2 x 8 / 8) + 2 exp(-2 x 16 / 8) = 2 e^-2 + 2 e^-4.
    found = quality_failure_probability(np.array(math.sqrt(1 / 8)), np.array(8), np.array(16))
    assert found == pytest.approx(2 * math.exp(-2) + 2 * math.exp(-4))


def test_the_tolerance_is_the_failure_probability_solved() -> None:
    counts = np.array([1, 3, 20])
    tolerance = quality_tolerance(counts, np.array(50), 0.05)
    found = quality_failure_probability(tolerance, counts, np.array(50))
    np.testing.assert_allclose(found, 0.05, rtol=1e-9)
    # By hand where both counts are 8: 4 exp(-16 eps^2) = 4 e^-4 at eps = 1 / 2.
    equal = quality_tolerance(np.array([8]), np.array(8), 4 * math.exp(-4))
    assert equal == pytest.approx([0.5])
