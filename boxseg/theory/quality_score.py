"""Theorem 3.6 simulated: how far the mask-quality score strays from the true quality, its bound.

The true quality is q* = sqrt(mu_s mu_p), of the expected score of the candidates above the
threshold and the expected probability of the confident pixels (section 3.3, below Eq. 6). The score
comes from this suite's own `mask_quality`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from boxseg.errors import InputError
from boxseg.quality_aware.scoring import mask_quality
from boxseg.theory.bounds import quality_tolerance
from boxseg.theory.candidates import LEAST, Scores, mixed, require_setting, require_share
from boxseg.theory.trials import BoundTrials

_TRIALS_AT_A_TIME = 2_000


@dataclass(frozen=True)
class PixelScores:
    """Probabilities of an object's confident pixels: uniform between the threshold and 1.

    Attributes:
        count: N, pixels inside the box above the threshold, 1 or more.
        threshold: tau_m, in [0, 1).
        correlation: probability with which a pixel has its trial's common value instead of one of
            its own; the theorem wants independent pixels, which those of a mask are not.

    Raises:
        InputError: a value is out of its range.
    """

    count: int = 100
    threshold: float = 0.5
    correlation: float = 0.0

    def __post_init__(self) -> None:
        require_share("correlation", self.correlation)
        if self.count < 1 or not 0 <= self.threshold < 1:
            raise InputError(
                f"a mask of {self.count} pixels above {self.threshold} cannot be drawn; take a "
                "pixel or more, and a threshold of 0 or more but below 1."
            )

    @property
    def mean(self) -> float:
        """Expected probability."""
        return (1 + self.threshold) / 2

    def draw(self, rng: np.random.Generator, trials: int) -> torch.Tensor:
        """(trials, 1, count), above the threshold."""
        own = rng.random((trials, self.count))
        values = mixed(rng, own, rng.random((trials, 1)), self.correlation)
        # 1 - [0, 1) is above 0, so that no pixel falls on the threshold.
        return torch.from_numpy(1 - values * (1 - self.threshold))[:, None]


def simulate_quality_score(
    candidates: int,
    threshold: float,
    *,
    scores: Scores | None = None,
    pixels: PixelScores | None = None,
    score_bias: float = 0.0,
    delta: float = 0.05,
    trials: int = 10_000,
    seed: int = 0,
) -> BoundTrials:
    """Draw scores and pixels, score the mask, and compare |q - q*| with theorem 3.6's tolerance.

    The theorem gives a probability for each tolerance; it is solved for the tolerance that a share
    of 1 - delta has to keep, with each trial's own K_hat (our reading).

    Args:
        candidates: K, drawn per trial, 1 or more.
        threshold: tau, in [0, 1).
        scores: of the candidates' boxes; uniform by default.
        pixels: of the fused mask.
        score_bias: added to every score that the method sees (then kept in [`LEAST`, 1]), and not
            to the quality it is compared with; the theorem wants 0.
        delta: the bound may fail in this share of the trials.
        trials: to draw.
        seed: of everything drawn.

    Raises:
        InputError: a number is out of its range.
    """
    require_setting(candidates, threshold, delta, trials)
    scores, pixels = scores or Scores(), pixels or PixelScores()
    rng = np.random.default_rng(seed)
    seen = (scores.draw(rng, trials, candidates) + score_bias).clip(LEAST, 1)
    counts = (seen > threshold).sum(axis=1)
    some = counts > 0
    seen, counts = seen[some], counts[some]
    found = [
        _quality(rng, seen[start : start + _TRIALS_AT_A_TIME], pixels, threshold)
        for start in range(0, len(seen), _TRIALS_AT_A_TIME)
    ]
    true_quality = (scores.mean_above(threshold) * pixels.mean) ** 0.5
    quality = np.concatenate([*found, np.zeros(0)])
    return BoundTrials(
        error=np.abs(quality - true_quality),
        bound=quality_tolerance(counts, np.array(float(pixels.count)), delta),
        candidates=counts,
        drawn=trials,
    )


def _quality(
    rng: np.random.Generator, scores: np.ndarray, pixels: PixelScores, threshold: float
) -> np.ndarray:
    """Quality (T,) of masks of one row of pixels, all inside the box and confident."""
    fused = pixels.draw(rng, len(scores))
    return mask_quality(
        fused,
        torch.from_numpy(scores),
        torch.ones(scores.shape, dtype=torch.bool),
        torch.ones_like(fused),
        threshold,
        pixels.threshold,
    ).numpy()
