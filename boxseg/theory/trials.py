"""What a simulation of a bound leaves: the error and the bound of every trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class BoundTrials:
    """Trials in which there was something to bound.

    Attributes:
        error: (T,), what the theorem bounds, at least 0.
        bound: (T,), what it should not exceed, above 0.
        candidates: int (T,), K_hat, candidates above the score threshold, 1 or more.
        drawn: trials drawn; in `drawn - T` of them no candidate was above the threshold, so there
            was no mask.
    """

    error: NDArray[np.float64]
    bound: NDArray[np.float64]
    candidates: NDArray[np.int64]
    drawn: int

    @property
    def share_within(self) -> float:
        """Share of the trials whose error is within the bound; NaN of no trial."""
        if not len(self.error):
            return float("nan")
        # Errors and bounds that are equal by arithmetic differ by float32's rounding.
        return float((self.error <= self.bound + 1e-6).mean())

    @property
    def tightness(self) -> float:
        """Mean of error / bound: 1 is a bound that is just met, 0 one that says nothing."""
        return float((self.error / self.bound).mean()) if len(self.error) else float("nan")
