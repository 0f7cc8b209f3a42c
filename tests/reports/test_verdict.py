from __future__ import annotations

import warnings

import numpy as np
import pytest

from reports.verdict import fixed_tolerance, judge
from reports.vocabulary import Verdict

EXPERIMENTS = 1000


def verdicts(
    true_difference: float, sd: float, n: int, scale: str, number: float | None
) -> dict[str, float]:
    """Simulate pairs of rows and give the share of each verdict.

    All rows of a seed share its luck, which pairing removes; what is left of a difference has `sd`.
    """
    rng = np.random.default_rng([n, round(100 * sd), round(100 * (number or 0)), len(scale)])
    luck = rng.normal(30.0, 2.0, (EXPERIMENTS, n))
    rows = rng.normal(luck, sd / np.sqrt(2), (2, EXPERIMENTS, n))
    differences = true_difference + rows[0] - rows[1]
    found = [judge(one.tolist(), scale, "coco", number)[0] for one in differences]
    return {verdict: found.count(verdict) / EXPERIMENTS for verdict in Verdict}


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("sd", [0.1, 0.5, 2.0])
class TestWithoutAnyEffect:
    def test_at_mini_scale(self, n: int, sd: float) -> None:
        shares = verdicts(0.0, sd, n, "mini", None)
        assert shares["replicated"] <= 0.07
        assert shares["not replicated"] <= 0.07
        assert shares["inconclusive"] >= 0.86

    @pytest.mark.parametrize("number", [0.1, 0.4, 2.0])
    def test_at_paper_scale(self, n: int, sd: float, number: float) -> None:
        assert verdicts(0.0, sd, n, "paper", number)["replicated"] <= 0.07

    def test_at_paper_scale_without_a_number(self, n: int, sd: float) -> None:
        assert verdicts(0.0, sd, n, "paper", None)["replicated"] <= 0.07


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("sd", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("number", [0.1, 0.4, 2.0])
def test_the_stated_effect_is_seldom_refuted(n: int, sd: float, number: float) -> None:
    # Below zero in at most 5% of the experiments, too large in at most 2.5%.
    assert verdicts(number, sd, n, "paper", number)["not replicated"] <= 0.075


@pytest.mark.parametrize("n", [3, 5])
class TestOfATrueEffect:
    def test_a_large_one_is_found_at_mini_scale(self, n: int) -> None:
        assert verdicts(2.0, 0.1, n, "mini", None)["replicated"] >= 0.99

    def test_a_large_one_is_found_at_paper_scale(self, n: int) -> None:
        assert verdicts(2.0, 0.1, n, "paper", 2.0)["replicated"] >= 0.99

    def test_its_opposite_is_found(self, n: int) -> None:
        for scale, number in (("mini", None), ("paper", 2.0)):
            assert verdicts(-2.0, 0.1, n, scale, number)["not replicated"] >= 0.99

    def test_one_of_another_size_is_not_the_paper_s(self, n: int) -> None:
        for truth in (0.2, 5.0):
            assert verdicts(truth, 0.1, n, "paper", 2.0)["not replicated"] >= 0.99
        # At mini scale only the sign counts.
        assert verdicts(5.0, 0.1, n, "mini", None)["replicated"] >= 0.99


@pytest.mark.parametrize("scale", ["smoke", "mini", "paper"])
@pytest.mark.parametrize("differences", [[5.0], [5.0, 5.1]])
def test_fewer_than_three_seeds_are_a_single_run(scale: str, differences: list[float]) -> None:
    assert judge(differences, scale, "coco", 5.0)[0] is Verdict.SINGLE_RUN


def test_smoke_scale_proves_nothing() -> None:
    verdict, reason = judge([5.0, 5.1, 5.2], "smoke", "coco", 5.0)
    assert verdict is Verdict.INCONCLUSIVE
    assert "no evidence" in reason


def test_unlike_data_prove_nothing() -> None:
    verdict, reason = judge([5.0, 5.1, 5.2], "mini", "coco", None, same_data=False)
    assert verdict is Verdict.INCONCLUSIVE
    assert "different data" in reason


@pytest.mark.parametrize("value", [0.0, 0.3, -0.3])
@pytest.mark.parametrize("scale", ["mini", "paper"])
def test_differences_without_spread_prove_nothing(value: float, scale: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict, reason = judge([value, value, value + 1e-13], scale, "coco", 0.3)
    assert verdict is Verdict.INCONCLUSIVE
    assert "no spread" in reason


@pytest.mark.parametrize(
    ("differences", "number", "dataset", "expected", "says"),
    [
        # Mean 2.1, sd 0.1, error 0.058: within 0.3 of 2.0.
        ([2.0, 2.1, 2.2], 2.0, "coco", Verdict.REPLICATED, "0.10 above the paper's +2.0"),
        # Mean 2.8: 0.5 beyond the tolerance's end, t = 0.5 / 0.058 = 8.7.
        ([2.7, 2.8, 2.9], 2.0, "coco", Verdict.NOT_REPLICATED, "outside the tolerance of 0.30"),
        # The same on VOC, whose runs differ by more.
        ([2.7, 2.8, 2.9], 2.0, "voc", Verdict.REPLICATED, "within the tolerance of 1.00"),
        # Mean 1.0, sd 0.5, error 0.289, tolerance 0.577: 1.0 off, t = 0.7 / 0.289 = 2.4 < 4.30.
        ([0.5, 1.0, 1.5], 2.0, "coco", Verdict.INCONCLUSIVE, "outside the tolerance of 0.58, but"),
        # Mean 0.4, sd 0.5: as stated, but zero is not excluded, t = 1.39.
        ([-0.1, 0.4, 0.9], 0.4, "coco", Verdict.INCONCLUSIVE, "not significantly above zero"),
        # Mean -0.2, sd 0.02: near the paper's +0.1, and below zero all the same.
        ([-0.2, -0.18, -0.22], 0.1, "coco", Verdict.NOT_REPLICATED, "below zero"),
        ([0.5, 0.6, 0.7], None, "coco", Verdict.REPLICATED, "judged by its sign"),
    ],
)
def test_at_paper_scale(
    differences: list[float], number: float | None, dataset: str, expected: Verdict, says: str
) -> None:
    verdict, reason = judge(differences, "paper", dataset, number)
    assert (verdict, says in reason) == (expected, True), reason


def test_the_tolerance_is_the_papers_dataset_s() -> None:
    assert (fixed_tolerance("coco"), fixed_tolerance("voc")) == (0.3, 1.0)
