"""The paper's theorems 3.1 and 3.6 put to the test: their assumptions simulated, bounds checked."""

from __future__ import annotations

from boxseg.theory.bounds import (
    fused_mask_bound,
    quality_failure_probability,
    quality_tolerance,
    weight_error,
)
from boxseg.theory.candidates import Scores
from boxseg.theory.fused_mask import MaskErrors, simulate_fused_mask
from boxseg.theory.quality_score import PixelScores, simulate_quality_score
from boxseg.theory.sweep import SweptBound, sweep_fused_mask, sweep_quality_score
from boxseg.theory.trials import BoundTrials

__all__ = [
    "BoundTrials",
    "MaskErrors",
    "PixelScores",
    "Scores",
    "SweptBound",
    "fused_mask_bound",
    "quality_failure_probability",
    "quality_tolerance",
    "simulate_fused_mask",
    "simulate_quality_score",
    "sweep_fused_mask",
    "sweep_quality_score",
    "weight_error",
]
