"""Drawing candidates: their scores, and how far they are copies of one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from boxseg.errors import InputError

Floats = NDArray[np.float64]

LEAST = 1e-3
"""Scores and IoUs are kept above it: the theorems divide by them."""


@dataclass(frozen=True)
class Scores:
    """Box scores: independent draws of a beta distribution; uniform on [0, 1] by default.

    Attributes:
        alpha, beta: its parameters, above 0.
        correlation: probability with which a draw is that of its trial's common source instead of
            its own; 0 is the theorems' independence, 1 makes all draws of a trial equal. The
            distribution of each draw stays what it is.

    Raises:
        InputError: a parameter is out of its range.
    """

    alpha: float = 1.0
    beta: float = 1.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if min(self.alpha, self.beta) <= 0:
            raise InputError(
                f"scores need alpha and beta above 0, not {self.alpha} and {self.beta}; raise them."
            )
        require_share("correlation", self.correlation)

    def draw(self, rng: np.random.Generator, trials: int, count: int) -> Floats:
        """(trials, count), in [`LEAST`, 1]."""
        own = rng.beta(self.alpha, self.beta, (trials, count))
        common = rng.beta(self.alpha, self.beta, (trials, 1))
        return mixed(rng, own, common, self.correlation).clip(LEAST, 1)

    def mean_above(self, threshold: float) -> float:
        """Expected score of those above the threshold (in [0, 1))."""
        mean = self.alpha / (self.alpha + self.beta)
        above = 1 - betainc(self.alpha + 1, self.beta, threshold)
        return float(mean * above / (1 - betainc(self.alpha, self.beta, threshold)))


def mixed(rng: np.random.Generator, own: Floats, common: Floats, share: float) -> Floats:
    """Draws (T, K), each replaced by its trial's common one (T, 1) with the probability `share`."""
    return np.where(rng.random(own.shape) < share, common, own)


def require_share(name: str, value: float) -> None:
    """Raise `InputError` unless the value is in [0, 1]."""
    if not 0 <= value <= 1:
        raise InputError(f"{name} is {value}; set it to a number from 0 to 1.")


def require_setting(candidates: int, threshold: float, delta: float, trials: int) -> None:
    """Raise `InputError` unless a simulation's numbers are in their ranges."""
    if candidates < 1 or trials < 1:
        raise InputError(
            f"a simulation needs a candidate and a trial at least, not {candidates} and {trials}; "
            "raise them."
        )
    if not 0 <= threshold < 1:
        raise InputError(f"the score threshold is {threshold}; set it to 0 or more, but below 1.")
    if not 0 < delta < 1:
        raise InputError(f"delta is {delta}; set it between 0 and 1.")
