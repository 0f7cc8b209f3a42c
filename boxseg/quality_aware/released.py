"""What the authors' released code does in place of the paper's ranking, fusion and scoring.

Each part can stand in for the paper's, so that the difference can be measured. All three together,
with 20 candidates per object, are the released pseudo labeller; the released loss is the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from boxseg.quality_aware.ranking import RankedCandidates


def majority_vote_masks(
    masks: Tensor, valid: Tensor, pixel_threshold: float | Tensor = 0.5
) -> Tensor:
    """Share of an object's candidates that hold a pixel for foreground; all votes are equal.

    Args:
        masks: (N, K, H, W), probabilities.
        valid: bool (N, K).
        pixel_threshold: a candidate holds a pixel for foreground above it; one number, or (N,).

    Returns:
        (N, H, W) in [0, 1], of the masks' dtype. Pixels above one half have a strict majority; 0
        where there is no candidate.
    """
    votes = _votes(masks, valid, pixel_threshold).sum(dim=1)
    voters = valid.sum(dim=1).clamp(min=1)
    return (votes / voters[:, None, None]).to(masks.dtype)


def released_mask_quality(
    masks: Tensor,
    vote: Tensor,
    box_scores: Tensor,
    valid: Tensor,
    pixel_threshold: float | Tensor = 0.5,
) -> Tensor:
    """Mean over the candidates of sqrt((s + 1) / 2 x a), their agreement with the vote.

    a = (sum of the candidate's probabilities over its mask / area of the vote) x IoU of its mask
    with the vote. As |m| / |v| x |m and v| / |m or v| <= 1, a is in [0, 1].

    Args:
        masks: (N, K, H, W), probabilities.
        vote: bool (N, H, W).
        box_scores: (N, K), s, in [0, 1].
        valid: bool (N, K).
        pixel_threshold: as in `majority_vote_masks`.

    Returns:
        (N,) in [0, 1], of the masks' dtype; 0 where there is no candidate or the vote is empty.
    """
    chosen = _votes(masks, valid, pixel_threshold).flatten(2)
    voted = vote.flatten(1)[:, None]
    common = (chosen & voted).sum(dim=2)
    either = (chosen | voted).sum(dim=2)
    probability = torch.where(chosen, masks.flatten(2), 0.0).sum(dim=2, dtype=torch.float32)
    agreement = probability / voted.sum(dim=2).clamp(min=1) * common / either.clamp(min=1)
    per_candidate = ((box_scores.float() + 1) / 2 * agreement).sqrt()
    total = torch.where(valid, per_candidate, 0.0).sum(dim=1)
    return (total / valid.sum(dim=1).clamp(min=1)).clamp(max=1).to(masks.dtype)


def _votes(masks: Tensor, valid: Tensor, pixel_threshold: float | Tensor) -> Tensor:
    """Pixels every valid candidate holds for foreground: bool (N, K, H, W)."""
    if isinstance(pixel_threshold, Tensor):
        pixel_threshold = pixel_threshold[:, None, None, None]
    return (masks > pixel_threshold) & valid[:, :, None, None]


class ConfidentSameClass:
    """Drops candidates of another class, and those with u <= `min_iou` or s <= `min_score`."""

    def __init__(self, min_iou: float = 0.5, min_score: float = 0.1) -> None:
        self.min_iou = min_iou
        self.min_score = min_score

    def __call__(self, ranked: RankedCandidates) -> Tensor:
        confident = (ranked.box_ious > self.min_iou) & (ranked.box_scores > self.min_score)
        return ranked.valid & ranked.same_class & confident


class MajorityVote:
    """`majority_vote_masks` of all candidates, in place of the quality-aware fusion."""

    def __init__(self, pixel_threshold: float = 0.5) -> None:
        self.pixel_threshold = pixel_threshold

    def uses(self, ranked: RankedCandidates) -> Tensor:
        return ranked.valid

    def __call__(self, masks: Tensor, ranked: RankedCandidates) -> Tensor:
        return majority_vote_masks(masks, ranked.valid, self.pixel_threshold)


class VoteAgreement:
    """`released_mask_quality`, in place of the mask-quality scoring."""

    def __init__(self, pixel_threshold: float = 0.5) -> None:
        self.pixel_threshold = pixel_threshold

    def __call__(
        self, fused: Tensor, masks: Tensor, ranked: RankedCandidates, gt_box_masks: Tensor
    ) -> Tensor:
        return released_mask_quality(
            masks, fused > 0.5, ranked.box_scores, ranked.valid, self.pixel_threshold
        )
