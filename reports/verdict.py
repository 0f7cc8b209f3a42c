"""What our runs say of a claim: the rule, fixed before any runs were compared by it.

A claim says that one cell of a table is better than another. What is judged is the difference
between the two, paired by seed: seed k fixes data, initialisation and order of images for every
row alike. The rule, in this order:

- No paired seed: **not run**. Fewer than three: **single run**, whatever it shows.
- At smoke scale: **inconclusive**. A few iterations on a handful of tiny images show that the rows
  run; whatever differs between them then is no evidence for or against the paper.
- Cells measured on different data, or differences that agree to the last digit in all seeds (which
  trainings that differ by their seed do not do, and which leaves no spread to test with):
  **inconclusive**.
- At mini scale, and at paper scale where there is no number to compare with (the paper gives none,
  or gives it of another dataset or split): **replicated** if the differences are significantly
  above zero, **not replicated** if significantly below, else **inconclusive**.
- At paper scale with a number: **not replicated** if the differences are significantly below zero,
  or if their mean is outside the tolerance and significantly farther from the paper's difference
  than the tolerance's fixed part; **replicated** if they are significantly above zero and their
  mean is within the tolerance; else **inconclusive**. The tolerance is max(0.3 AP, or 1.0 AP on
  VOC, 2 sd / sqrt(n)); its first part is about what runs of one configuration differ by. So an
  effect of the stated sign that is clearly smaller or larger than stated is not replicated; the
  reason tells which.

"Significantly" above or below zero is a one-sided paired t test at 5%, each claim alone: of twenty
claims without any effect behind them, one is expected to read as replicated by chance, and one as
not replicated. "Significantly" farther than the tolerance takes 2.5% on the side that was found,
since either side counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports.statistics import has_spread, mean, probability_of_no_more_than, standard_error
from reports.table import PAPER_SCALE
from reports.vocabulary import Verdict

SMOKE_SCALE = "smoke"
LEAST_SEEDS = 3
LEVEL = 0.05


def fixed_tolerance(dataset: str) -> float:
    """Give the part of the tolerance that is there however many seeds were run, in AP points."""
    return 1.0 if dataset == "voc" else 0.3


def judge(
    differences: Sequence[float],
    scale: str,
    dataset: str,
    number: float | None,
    same_data: bool = True,
) -> tuple[Verdict, str]:
    """Apply the rule above to one or more differences.

    Args:
        differences: of a claim's minuend and subtrahend, AP points, one per paired seed.
        scale: `smoke`, `mini` or `paper`.
        dataset: of the paper's table, such as `coco`.
        number: the paper's difference, where ours at paper scale may be compared with it.
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
    above = probability_of_no_more_than(0.0, differences)
    found = f"mean difference {mean(differences):+z.2f} over {n} seeds"
    if 1 - above < LEVEL:
        return Verdict.NOT_REPLICATED, (f"{found}, significantly below zero ({_p(1 - above)})")
    significant = above < LEVEL
    zero = f"{'' if significant else 'not '}significantly above zero ({_p(above)})"
    if scale == PAPER_SCALE and number is not None:
        fixed = fixed_tolerance(dataset)
        return _near_the_number(differences, fixed, number, found, zero, significant)
    if scale == PAPER_SCALE:
        zero += "; judged by its sign, the paper having no number on this dataset and split"
    return (Verdict.REPLICATED if significant else Verdict.INCONCLUSIVE), f"{found}, {zero}"


def _near_the_number(
    differences: Sequence[float],
    fixed: float,
    number: float,
    found: str,
    zero: str,
    significant: bool,
) -> tuple[Verdict, str]:
    error = standard_error(differences)
    assert error is not None  # there are LEAST_SEEDS of them
    tolerance = max(fixed, 2 * error)
    off = mean(differences) - number
    side = 1 if off > 0 else -1
    where = f"{abs(off):.2f} {'above' if side > 0 else 'below'} the paper's {number:+.1f}"
    if abs(off) > tolerance:
        distances = [side * (difference - number) for difference in differences]
        p = probability_of_no_more_than(fixed, distances)
        outside = f"{found}, {where} and so outside the tolerance of {tolerance:.2f}"
        if p < LEVEL / 2:
            return Verdict.NOT_REPLICATED, f"{outside}, significantly ({_p(p)})"
        return Verdict.INCONCLUSIVE, f"{outside}, but not significantly ({_p(p)})"
    within = f"{found}, {where} and so within the tolerance of {tolerance:.2f}, {zero}"
    return (Verdict.REPLICATED if significant else Verdict.INCONCLUSIVE), within


def _p(value: float) -> str:
    return "one-sided p < 0.001" if value < 0.001 else f"one-sided p = {value:.3f}"
