from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.spread import PooledError, pooled_error, pooled_variances, within_groups

SCORES = st.floats(0, 100)


def test_by_hand() -> None:
    # Rows 30 32 34, 31 33 38, 32 34 36: means 32, 34, 34; seeds 31, 33, 36; all 100/3.
    rows = [{0: 30.0, 1: 32.0, 2: 34.0}, {0: 31.0, 1: 33.0, 2: 38.0}, {0: 32.0, 1: 34.0, 2: 36.0}]
    # Residuals score - row - seed + all: 1/3 1/3 -2/3, -2/3 -2/3 4/3, 1/3 1/3 -2/3: squares add
    # up to (1 + 1 + 4 + 4 + 4 + 16 + 1 + 1 + 4) / 9 = 4; over (3 - 1)(3 - 1) = 4 degrees: 1.
    error = pooled_error(rows)
    assert error is not None
    assert (error.sd, error.degrees) == (pytest.approx(1.0), 4)
    assert error.of_difference(3) == pytest.approx(math.sqrt(2 / 3))


@given(st.lists(st.tuples(SCORES, SCORES), min_size=2, max_size=6))
def test_of_two_rows_it_is_the_paired_error(pairs: list[tuple[float, float]]) -> None:
    rows = [{seed: pair[place] for seed, pair in enumerate(pairs)} for place in (0, 1)]
    error = pooled_error(rows)
    differences = [first - second for first, second in pairs]
    assert error is not None
    assert error.degrees == len(pairs) - 1
    paired = np.std(differences, ddof=1) / math.sqrt(len(pairs))
    assert error.of_difference(len(pairs)) == pytest.approx(paired, abs=1e-6)


@given(st.integers(0, 10_000), st.floats(-50, 50), st.floats(-50, 50))
def test_what_rows_and_seeds_have_in_common_is_no_error(
    seed: int, of_row: float, of_seed: float
) -> None:
    rng = np.random.default_rng(seed)
    scores, present = rng.normal(0, 1, (4, 5)), rng.random((4, 5)) < 0.8
    moved = scores.copy()
    moved[1] += of_row
    moved[:, 2] += of_seed
    before, degrees = pooled_variances(scores, present)
    after, same = pooled_variances(moved, present)
    assert degrees == same
    if degrees:
        assert after == pytest.approx(before, abs=1e-6)


def test_incomplete_columns_are_estimated_without_bias() -> None:
    rng = np.random.default_rng(0)
    present = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 0]], dtype=bool)
    rows, seeds = rng.normal(0, 5, (3, 1)), rng.normal(0, 5, (1, 4))
    variances, degrees = pooled_variances(rows + seeds + rng.normal(0, 0.5, (4000, 3, 4)), present)
    # 9 runs, 3 rows and 4 seeds, of which one mean is shared.
    assert degrees == 9 - 3 - 4 + 1
    # The mean of 4,000 variances of 3 degrees of freedom: sd 0.25 * sqrt(2 / 3 / 4000) = 0.003.
    assert variances.mean() == pytest.approx(0.25, abs=0.012)


@pytest.mark.parametrize("rows", [[], [{}], [{0: 1.0}, {0: 2.0}], [{0: 1.0, 1: 2.0}, {2: 3.0}]])
def test_too_few_runs_tell_nothing(rows: list[dict[int, float]]) -> None:
    assert pooled_error(rows) is None


def test_within_groups_by_hand() -> None:
    # 1 and 3: squares 2 on one degree; 4, 4 and 7: 6 on two; alone: none. sqrt(8 / 3).
    assert within_groups([[1.0, 3.0], [4.0, 4.0, 7.0], [50.0]]) == PooledError(
        pytest.approx(math.sqrt(8 / 3)), 3
    )
    assert within_groups([[1.0], [2.0]]) is None
