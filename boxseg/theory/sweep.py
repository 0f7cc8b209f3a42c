"""The bounds against K and tau: one line of numbers for each pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from boxseg.theory.fused_mask import simulate_fused_mask
from boxseg.theory.quality_score import simulate_quality_score
from boxseg.theory.trials import BoundTrials


@dataclass(frozen=True)
class SweptBound:
    """What the trials of one K and one tau say of a bound.

    Attributes:
        candidates: K.
        threshold: tau.
        trials: in which a candidate was above tau, so that there was a mask.
        mean_candidates: mean K_hat of these.
        share_within: see `BoundTrials`.
        tightness: mean error / bound.
        mean_error, mean_bound: of the trials.
    """

    candidates: int
    threshold: float
    trials: int
    mean_candidates: float
    share_within: float
    tightness: float
    mean_error: float
    mean_bound: float


def sweep_fused_mask(
    candidates: Iterable[int], thresholds: Iterable[float], **setting: Any
) -> list[SweptBound]:
    """`simulate_fused_mask` for every K and tau; `setting` is what else it takes."""
    return _sweep(simulate_fused_mask, candidates, thresholds, setting)


def sweep_quality_score(
    candidates: Iterable[int], thresholds: Iterable[float], **setting: Any
) -> list[SweptBound]:
    """`simulate_quality_score` for every K and tau; `setting` is what else it takes."""
    return _sweep(simulate_quality_score, candidates, thresholds, setting)


def _sweep(
    simulate: Callable[..., BoundTrials],
    candidates: Iterable[int],
    thresholds: Iterable[float],
    setting: dict[str, Any],
) -> list[SweptBound]:
    counts = list(candidates)
    return [
        _summary(count, threshold, simulate(count, threshold, **setting))
        for threshold in thresholds
        for count in counts
    ]


def _summary(candidates: int, threshold: float, found: BoundTrials) -> SweptBound:
    def mean(values: Any) -> float:
        return float(values.mean()) if len(values) else float("nan")

    return SweptBound(
        candidates=candidates,
        threshold=threshold,
        trials=len(found.error),
        mean_candidates=mean(found.candidates),
        share_within=found.share_within,
        tightness=found.tightness,
        mean_error=mean(found.error),
        mean_bound=mean(found.bound),
    )
