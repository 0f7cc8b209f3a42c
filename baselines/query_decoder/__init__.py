"""A host whose objects are queries: mmdet's Mask2Former decoder, matched and trained by boxes."""

from __future__ import annotations

from baselines.query_decoder.decoder import MaskedAttentionDecoder, PredictionSets
from baselines.query_decoder.matching import BoxMatching, Matches
from baselines.query_decoder.model import QuerySegmenter

__all__ = [
    "BoxMatching",
    "MaskedAttentionDecoder",
    "Matches",
    "PredictionSets",
    "QuerySegmenter",
]
