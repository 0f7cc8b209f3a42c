from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats

from reports.claims import found_by_tests
from reports.verdict import Evidence, PValues, fixed_tolerance, untestable
from reports.vocabulary import Verdict


def evidence(
    means: Sequence[float],
    error: float,
    degrees: int,
    numbers: Sequence[float],
    compared: bool = False,
    dataset: str = "coco",
) -> Evidence:
    return Evidence(
        means=np.array(means),
        errors=np.full(len(means), error),
        degrees=np.full(len(means), float(degrees)),
        numbers=np.array(numbers),
        compared=np.full(len(means), compared),
        fixed=fixed_tolerance(dataset),
    )


def judge(
    mean: float,
    error: float,
    degrees: int,
    number: float,
    compared: bool = False,
    dataset: str = "coco",
) -> tuple[Verdict, str]:
    """Judge a claim that is alone in its table."""
    known = evidence([mean], error, degrees, [number], compared, dataset)
    tests = PValues(known)
    return tests.verdict(0), found_by_tests(known, tests, 0, 3, "paper" if compared else "mini")


def test_p_values_are_scipy_s() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        differences = rng.normal(0.5, 1.0, 4)
        error = float(differences.std(ddof=1)) / 2
        tests = PValues(evidence([float(differences.mean())], error, 3, [1.0]))
        for found, bound, side in (
            (tests.above, 0.0, "greater"),
            (tests.below, 0.0, "less"),
        ):
            wanted = scipy.stats.ttest_1samp(differences, bound, alternative=side).pvalue
            assert found[0] == pytest.approx(wanted, abs=1e-12)
        larger = scipy.stats.ttest_1samp(differences, 0.5, alternative="less").pvalue
        smaller = scipy.stats.ttest_1samp(differences, -0.5, alternative="greater").pvalue
        assert tests.equivalent[0] == pytest.approx(max(larger, smaller), abs=1e-12)


def test_corrected_over_the_table() -> None:
    # t with 6 degrees: 2.2 has p 0.035, 2.6 has p 0.020. Alone both are below 5%; of two, the
    # first step takes 0.040 < 0.05, the second 0.035; of three with another that shows nothing,
    # the first step takes 0.061.
    for means, expected in (
        ([2.2], [True]),
        ([2.2, 2.6], [True, True]),
        ([2.2, 2.6, 0.0], [False, False, False]),
    ):
        tests = PValues(evidence(means, 1.0, 6, [np.nan] * len(means)))
        assert tests.replicated.tolist() == expected
        mirrored = PValues(evidence([-one for one in means], 1.0, 6, [np.nan] * len(means)))
        assert mirrored.not_replicated.tolist() == expected


@pytest.mark.parametrize(
    ("mean", "number", "expected"),
    [
        # Half of the paper's is 1.0, and t(0.95, 6) = 1.943: with an error of 0.2 the mean has to
        # be at least 0.389 from 1.0 on either side, and no more than 0.389 from zero.
        (0.2, 2.0, Verdict.NO_LARGE_EFFECT),
        (-0.2, 2.0, Verdict.NO_LARGE_EFFECT),
        (0.38, 2.0, Verdict.NO_LARGE_EFFECT),
        (0.38, 1.5, Verdict.INCONCLUSIVE),
        (0.2, 1.1, Verdict.INCONCLUSIVE),
        # Seen, though smaller than half of the paper's: at mini scale the sign is judged.
        (0.5, 2.0, Verdict.REPLICATED),
        (-0.5, 2.0, Verdict.NOT_REPLICATED),
        # Nothing to halve.
        (0.0, np.nan, Verdict.INCONCLUSIVE),
        (0.0, 0.0, Verdict.INCONCLUSIVE),
        (0.0, -2.0, Verdict.INCONCLUSIVE),
    ],
)
def test_no_effect_larger_than_half(mean: float, number: float, expected: Verdict) -> None:
    verdict, reason = judge(mean, 0.2, 6, number)
    assert verdict is expected
    assert ("half of the paper's +2.0" in reason) == (expected is Verdict.NO_LARGE_EFFECT)


@pytest.mark.parametrize(
    ("mean", "error", "number", "dataset", "expected", "says"),
    [
        (2.1, 0.058, 2.0, "coco", Verdict.REPLICATED, "0.10 above the paper's +2.0"),
        # 0.5 beyond the tolerance's end, t = 0.5 / 0.058 = 8.6.
        (2.8, 0.058, 2.0, "coco", Verdict.NOT_REPLICATED, "outside the tolerance of 0.30"),
        # The same on VOC, whose runs differ by more.
        (2.8, 0.058, 2.0, "voc", Verdict.REPLICATED, "within the tolerance of 1.00"),
        # Tolerance 0.578; 1.0 off, t = 0.7 / 0.289 = 2.4 < 4.30.
        (1.0, 0.289, 2.0, "coco", Verdict.INCONCLUSIVE, "outside the tolerance of 0.58, but"),
        # As stated, but zero is not excluded, t = 1.39.
        (0.4, 0.289, 0.4, "coco", Verdict.INCONCLUSIVE, "not significantly above zero"),
        # Near the paper's +0.1, and below zero all the same.
        (-0.2, 0.012, 0.1, "coco", Verdict.NOT_REPLICATED, "below zero"),
    ],
)
def test_at_paper_scale(
    mean: float, error: float, number: float, dataset: str, expected: Verdict, says: str
) -> None:
    # Two degrees of freedom, as of three differences on their own.
    verdict, reason = judge(mean, error, 2, number, compared=True, dataset=dataset)
    assert (verdict, says in reason) == (expected, True), reason


def test_at_paper_scale_without_a_number_the_sign_is_judged() -> None:
    known = evidence([0.6], 0.06, 2, [np.nan])
    reason = found_by_tests(known, PValues(known), 0, 3, "paper")
    assert "judged by its sign" in reason


@pytest.mark.parametrize("scale", ["smoke", "mini", "paper"])
@pytest.mark.parametrize("differences", [[5.0], [5.0, 5.1]])
def test_fewer_than_three_seeds_are_a_single_run(scale: str, differences: list[float]) -> None:
    found = untestable(differences, scale)
    assert found is not None
    assert found[0] is Verdict.SINGLE_RUN


def test_smoke_scale_proves_nothing() -> None:
    found = untestable([5.0, 5.1, 5.2], "smoke")
    assert found is not None
    assert found[0] is Verdict.INCONCLUSIVE
    assert "no evidence" in found[1]


def test_unlike_data_prove_nothing() -> None:
    found = untestable([5.0, 5.1, 5.2], "mini", same_data=False)
    assert found is not None
    assert found[0] is Verdict.INCONCLUSIVE
    assert "different data" in found[1]


@pytest.mark.parametrize("value", [0.0, 0.3, -0.3])
@pytest.mark.parametrize("scale", ["mini", "paper"])
def test_differences_without_spread_prove_nothing(value: float, scale: str) -> None:
    found = untestable([value, value, value + 1e-13], scale)
    assert found is not None
    assert found[0] is Verdict.INCONCLUSIVE
    assert "no spread" in found[1]


def test_what_can_be_tested() -> None:
    assert untestable([5.0, 5.1, 5.2], "mini") is None


def test_the_tolerance_is_the_papers_dataset_s() -> None:
    assert (fixed_tolerance("coco"), fixed_tolerance("voc")) == (0.3, 1.0)
