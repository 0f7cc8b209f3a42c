"""Theorem 3.1 simulated: how far the fused mask strays from the true one, and its bound.

What is simulated is one pixel, through this suite's own `fuse_masks`. A mask whose errors are alike
at all pixels behaves as one pixel does; where they are not, a mean over pixels strays less, so one
pixel is the hardest case that the theorem covers.

Assumption B.1 wants candidates m_k = m* + e_k with errors of zero mean. With m_k in [0, 1] and a
binary m* only e_k = 0 has that, so the true mask's pixel is simulated as the probability 1/2, with
errors of plus or minus sigma_k <= 1/2, which of all errors in that range spread most.

The first term of the bound can be read in two ways, and the paper does not say which:

- "expected": the candidates' greatest systematic error, max_k |E m_k - m*|, which is 0 under
  assumption B.1. Then the other two terms have to carry the chance, and the theorem can fail.
- "realised": the greatest error of the candidates drawn, max_k |m_k - m*|. Then the bound holds in
  every trial and whatever is assumed, because the fused mask is a convex combination of the
  candidates: |sum w_k m_k - m*| <= max_k |m_k - m*|. The other two terms are not needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from boxseg.errors import InputError
from boxseg.quality_aware.fusion import fuse_masks
from boxseg.theory.bounds import fused_mask_bound, weight_error
from boxseg.theory.candidates import LEAST, Scores, mixed, require_setting, require_share
from boxseg.theory.trials import BoundTrials

Reading = Literal["expected", "realised"]

_TRUTH = 0.5


@dataclass(frozen=True)
class MaskErrors:
    """Errors of candidates (assumptions B.1 and B.2).

    Attributes:
        spread: sigma of a candidate of score 0, in [0, 1/2].
        informative: how far the score tells the error: sigma_k = spread (1 - informative s_k), in
            [0, 1]. At 0 the score says nothing; at 1 a candidate of score 1 has no error.
        bias: added to every candidate's pixel (then kept in [0, 1]); B.1 wants 0.
        correlation: probability that a candidate's error has its trial's common sign instead of one
            of its own. The proof's use of Hoeffding's inequality wants 0.
        quality_noise: greatest error of a score and of an IoU, drawn uniformly around 0 (B.2);
            noisy ones are kept in [`LEAST`, 1].

    Raises:
        InputError: a value is out of its range.
    """

    spread: float = 0.5
    informative: float = 0.5
    bias: float = 0.0
    correlation: float = 0.0
    quality_noise: float = 0.05

    def __post_init__(self) -> None:
        for name in ("informative", "correlation", "quality_noise"):
            require_share(name, getattr(self, name))
        if not 0 <= self.spread <= 0.5 or not -0.5 <= self.bias <= 0.5:
            raise InputError(
                f"spread is {self.spread} and bias {self.bias}; set the spread from 0 to 0.5 and "
                "the bias from -0.5 to 0.5."
            )


def simulate_fused_mask(
    candidates: int,
    threshold: float,
    *,
    scores: Scores | None = None,
    errors: MaskErrors | None = None,
    reading: Reading = "expected",
    delta: float = 0.05,
    trials: int = 10_000,
    seed: int = 0,
) -> BoundTrials:
    """Draw candidates, fuse them, and compare the error with theorem 3.1's bound.

    True IoUs are uniform on [0.5, 1]: the candidates are the best boxes of an object. The threshold
    judges the noisy score, the only one that the method sees (B.3). That the theorem is a bound for
    each trial with its own K_hat and eps_w, is our reading.

    Args:
        candidates: K, drawn per trial, 1 or more.
        threshold: tau, in [0, 1).
        scores: of the candidates' boxes; uniform by default.
        errors: of masks, scores and IoUs.
        reading: of the bound's first term; see the module.
        delta: the bound may fail in this share of the trials.
        trials: to draw.
        seed: of everything drawn.

    Raises:
        InputError: a number is out of its range.
    """
    require_setting(candidates, threshold, delta, trials)
    scores, errors = scores or Scores(), errors or MaskErrors()
    rng = np.random.default_rng(seed)
    true_scores = scores.draw(rng, trials, candidates)
    true_ious = rng.uniform(0.5, 1.0, (trials, candidates))
    noise = rng.uniform(-errors.quality_noise, errors.quality_noise, (2, trials, candidates))
    seen_scores = (true_scores + noise[0]).clip(LEAST, 1)
    seen_ious = (true_ious + noise[1]).clip(LEAST, 1)
    signs = mixed(
        rng,
        rng.choice((-1.0, 1.0), (trials, candidates)),
        rng.choice((-1.0, 1.0), (trials, 1)),
        errors.correlation,
    )
    sigmas = errors.spread * (1 - errors.informative * true_scores)
    pixels = (_TRUTH + errors.bias + sigmas * signs).clip(0, 1)
    used = seen_scores > threshold
    fused, _ = fuse_masks(
        torch.from_numpy(pixels)[:, :, None, None],
        torch.from_numpy(seen_scores),
        torch.from_numpy(seen_ious),
        torch.ones(used.shape, dtype=torch.bool),
        threshold,
    )
    some = used.any(axis=1)
    count = used.sum(axis=1)
    if reading == "realised":
        deviations = np.abs(pixels - _TRUTH)
    else:  # of plus and minus sigma, each kept in [0, 1]
        ends = [(_TRUTH + errors.bias + sign * sigmas).clip(0, 1) for sign in (-1, 1)]
        deviations = np.abs((ends[0] + ends[1]) / 2 - _TRUTH)
    approximation = np.where(used, deviations, 0.0).max(axis=1)
    weighting = weight_error(
        true_scores, true_ious, seen_scores - true_scores, seen_ious - true_ious, used
    )
    return BoundTrials(
        error=np.abs(fused[:, 0, 0].double().numpy() - _TRUTH)[some],
        bound=fused_mask_bound(approximation[some], count[some], weighting[some], delta),
        candidates=count[some],
        drawn=trials,
    )
