"""Quality-aware pseudo masks (QAM): ranking, fusion and scoring, knowing nothing of the detector.

The functions work on plain tensors of any floating type on any device, without a loop over objects;
`QualityAwareModule` composes them into a pseudo labeller.
"""

from __future__ import annotations

from boxseg.quality_aware.candidate_boxes import CandidateBoxes, DistinctBoxes, EveryPrediction
from boxseg.quality_aware.fusion import BestCandidate, MaskFusion, WeightedFusion, fuse_masks
from boxseg.quality_aware.module import QualityAwareModule
from boxseg.quality_aware.ranking import (
    AdaptiveTopK,
    CandidateCount,
    CandidateFilter,
    EveryCandidate,
    FixedTopK,
    OverlapFloor,
    RankedCandidates,
    TopKLinearInArea,
    adaptive_top_k,
    box_quality_ranking,
    top_k_linear_in_area,
)
from boxseg.quality_aware.scoring import (
    BoxAndPixelQuality,
    EqualQuality,
    MaskScoring,
    mask_quality,
)

__all__ = [
    "AdaptiveTopK",
    "BestCandidate",
    "BoxAndPixelQuality",
    "CandidateBoxes",
    "CandidateCount",
    "CandidateFilter",
    "DistinctBoxes",
    "EqualQuality",
    "EveryCandidate",
    "EveryPrediction",
    "FixedTopK",
    "MaskFusion",
    "MaskScoring",
    "OverlapFloor",
    "QualityAwareModule",
    "RankedCandidates",
    "TopKLinearInArea",
    "WeightedFusion",
    "adaptive_top_k",
    "box_quality_ranking",
    "fuse_masks",
    "mask_quality",
    "top_k_linear_in_area",
]
