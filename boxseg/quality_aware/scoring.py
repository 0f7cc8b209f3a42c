"""Mask-Quality Scoring: how far a pseudo mask is to be trusted.

Section 3.3 of the paper, "Mask-Quality Scoring" and Eq. 5.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from boxseg.quality_aware.ranking import RankedCandidates


def mask_quality(
    fused: Tensor,
    box_scores: Tensor,
    valid: Tensor,
    gt_box_masks: Tensor,
    score_threshold: float,
    pixel_threshold: float = 0.5,
) -> Tensor:
    """Geometric mean of global and local trust, q = sqrt(sbar pbar) (Eq. 5).

    sbar is the mean score of the valid candidates with s > tau; pbar is the mean of M over the
    pixels inside the box where M > tau_m. A mean over nothing is 0.

    Args:
        fused: (N, H, W), M, in [0, 1].
        box_scores: (N, K), s, in [0, 1].
        valid: bool (N, K).
        gt_box_masks: (N, H, W), b: non-zero inside the object's box.
        score_threshold: tau.
        pixel_threshold: tau_m.

    Returns:
        (N,) in [0, 1], of the fused masks' dtype.
    """
    counted = valid & (box_scores.float() > score_threshold)
    mean_score = _mean(box_scores, counted)
    confident = gt_box_masks.bool() & (fused > pixel_threshold)
    mean_probability = _mean(fused.flatten(1), confident.flatten(1))
    return (mean_score * mean_probability).sqrt().clamp(max=1).to(fused.dtype)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    """Mean per row over what counts, in float32: (N, L) to (N,); 0 where nothing counts."""
    sums = torch.where(counted, values, 0.0).sum(dim=1, dtype=torch.float32)
    return sums / counted.sum(dim=1).clamp(min=1)


class MaskScoring(Protocol):
    """Says how good pseudo masks are."""

    def __call__(
        self, fused: Tensor, masks: Tensor, ranked: RankedCandidates, gt_box_masks: Tensor
    ) -> Tensor:
        """Score.

        Args:
            fused: (N, H, W), in [0, 1].
            masks: (N, K, H, W), the candidates' probabilities.
            ranked: N objects' candidates, valid where they were used for the fused mask.
            gt_box_masks: bool (N, H, W).

        Returns:
            (N,) in [0, 1]; 0 where there is no pseudo mask.
        """
        ...


class EqualQuality:
    """1 for every mask that has a pixel inside the box: the loss without mask-quality scoring.

    Args:
        pixel_threshold: above which a pixel is foreground, in [0, 1).
    """

    def __init__(self, pixel_threshold: float = 0.5) -> None:
        self.pixel_threshold = pixel_threshold

    def __call__(
        self, fused: Tensor, masks: Tensor, ranked: RankedCandidates, gt_box_masks: Tensor
    ) -> Tensor:
        inside = gt_box_masks & (fused > self.pixel_threshold)
        return inside.flatten(1).any(dim=1).to(fused.dtype)


class BoxAndPixelQuality:
    """`mask_quality` (MQS); the candidates used are those above the fusion's score threshold.

    Args:
        pixel_threshold: tau_m, in [0, 1).
    """

    def __init__(self, pixel_threshold: float = 0.5) -> None:
        self.pixel_threshold = pixel_threshold

    def __call__(
        self, fused: Tensor, masks: Tensor, ranked: RankedCandidates, gt_box_masks: Tensor
    ) -> Tensor:
        return mask_quality(
            fused, ranked.box_scores, ranked.valid, gt_box_masks, 0.0, self.pixel_threshold
        )
