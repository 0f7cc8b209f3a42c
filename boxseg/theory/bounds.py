"""The bounds of theorems 3.1 and 3.6, as numbers.

The formulas of the text at hand were lost. What its prose and proofs (appendices B and D) fix is
taken from there; what is reconstructed is said in each docstring.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BISECTIONS = 60  # of an interval no longer than 100, which is far below rounding


def weight_error(
    scores: Floats, ious: Floats, score_errors: Floats, iou_errors: Floats, used: Floats
) -> Floats:
    """The largest error of a candidate's weight, eps_w (appendix B, Eqs. 12 to 21).

    With c = sqrt(s u) and w = c / sum c over the candidates used: to first order an error of the
    box quality is dc = c (ds / s + du / u) / 2 (Eq. 15), and dw / dc = (sum c - c) / (sum c)^2
    (Eq. 18). So eps_w = max_k w_k (1 - w_k) (|ds_k| / s_k + |du_k| / u_k) / 2. Reconstructed from
    the words around Eqs. 15 to 21 and remark B.4, which names the relative errors and the share of
    the candidate as its factors.

    Args:
        scores, ious: (T, K), the true s and u, in (0, 1].
        score_errors, iou_errors: (T, K), ds and du.
        used: bool (T, K), the candidates that have a say.

    Returns:
        (T,), at least 0; 0 where no candidate, or a single one, has a say.
    """
    quality = np.where(used, np.sqrt(scores * ious), 0.0)
    total = quality.sum(axis=1, keepdims=True)
    weights = np.divide(quality, total, out=np.zeros_like(quality), where=total > 0)
    relative = np.abs(score_errors) / scores + np.abs(iou_errors) / ious
    return (weights * (1 - weights) * relative / 2).max(axis=1)


def fused_mask_bound(
    approximation: Floats, candidates: Floats, weighting: Floats, delta: float
) -> Floats:
    """Theorem 3.1: what the fused mask's error exceeds with a probability of at most delta.

    max_k error of candidate k + sqrt(log(1 / delta) / (2 K_hat)) + eps_w (Eqs. 3, 8 to 11). The
    estimation term is Hoeffding's for the mean of K_hat independent values from an interval of
    length 1; the equation is lost, and this form of it reconstructed.

    Args:
        approximation: (T,), the first term.
        candidates: int (T,), K_hat, those above the threshold, 1 or more.
        weighting: (T,), eps_w.
        delta: in (0, 1).
    """
    return approximation + np.sqrt(np.log(1 / delta) / (2 * candidates)) + weighting


def quality_failure_probability(tolerance: Floats, candidates: Floats, pixels: Floats) -> Floats:
    """Theorem 3.6: probability that q strays from q* by the tolerance eps or more, at most.

    2 exp(-2 K_hat eps^2) + 2 exp(-2 N eps^2): Hoeffding's inequality for the mean of K_hat scores
    (Eq. 22) and for that of N confident pixels (Eq. 23), joined by the union bound (Eqs. 24, 25,
    27). The exponents are reconstructed; that the geometric mean strays no further than the means
    do is the paper's step, and is not true for every pair of means.

    Args:
        tolerance: eps > 0.
        candidates: K_hat, scores averaged, 1 or more.
        pixels: N, confident pixels averaged, 1 or more.

    Returns:
        Of the broadcast shape; may exceed 1, where it says nothing.
    """
    squared = -2 * np.square(tolerance)
    return 2 * np.exp(candidates * squared) + 2 * np.exp(pixels * squared)


def quality_tolerance(candidates: Floats, pixels: Floats, delta: float) -> Floats:
    """The tolerance eps at which `quality_failure_probability` is delta: theorem 3.6 solved for it.

    Args:
        candidates: (T,), K_hat, 1 or more.
        pixels: (T,) or one number, N, 1 or more.
        delta: in (0, 1).
    """
    # With the scarcer of the two counts for both, the probability is too large.
    scarcer = np.minimum(candidates, pixels).astype(np.float64)
    high = np.sqrt(np.log(4 / delta) / (2 * scarcer))
    low = np.zeros_like(high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        too_likely = quality_failure_probability(middle, candidates, pixels) > delta
        low, high = np.where(too_likely, middle, low), np.where(too_likely, high, middle)
    return high
