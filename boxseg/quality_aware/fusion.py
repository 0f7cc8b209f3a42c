"""Quality-aware Masks Fusion: one mask from the masks of an object's candidates.

Section 3.3 of the paper, "Quality-aware Masks Fusion" and Eq. 2.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from boxseg.mask_overlap import mask_iou_matrices
from boxseg.quality_aware.ranking import RankedCandidates


def fuse_masks(
    masks: Tensor, box_scores: Tensor, box_ious: Tensor, valid: Tensor, score_threshold: float
) -> tuple[Tensor, Tensor]:
    """Mean of the candidates' masks, weighted by the quality of their boxes (Eq. 2).

    With the box quality c_k = 1[s_k > tau] sqrt(s_k u_k) of the valid candidates:
    w_k = c_k / sum_j c_j and M = sum_k w_k m_k.

    Args:
        masks: (N, K, H, W), m: probabilities.
        box_scores: (N, K), s, in [0, 1].
        box_ious: (N, K), u, in [0, 1].
        valid: bool (N, K).
        score_threshold: tau.

    Returns:
        fused: (N, H, W), between the least and the greatest of the candidates at every pixel; 0
            where no candidate has a weight. Of the masks' dtype.
        weights: (N, K) summing to 1, or to 0 where no candidate has a score above tau and a box
            that touches the object's. Of the scores' dtype.
    """
    # Sums of half-precision weights would miss 1 by per cents.
    scores, ious = box_scores.float(), box_ious.float()
    counted = valid & (scores > score_threshold)
    quality = torch.where(counted, scores.sqrt() * ious.sqrt(), 0.0)
    total = quality.sum(dim=1, keepdim=True)
    weights = torch.where(total > 0, quality / total, 0.0)
    with torch.autocast(masks.device.type, enabled=False):
        sums = torch.bmm(weights[:, None], masks.float().flatten(2))
    fused = sums.reshape(len(masks), *masks.shape[2:]).to(masks.dtype)
    return fused, weights.to(box_scores.dtype)


def candidate_agreement(masks: Tensor, valid: Tensor, inside: Tensor, threshold: float) -> Tensor:
    """How alike the masks are that become one: where they are equal, no fusion differs from any.

    Args:
        masks: (N, K, H, W), probabilities.
        valid: bool (N, K).
        inside: bool (N, H, W), the objects' boxes, which the masks are cut to.
        threshold: foreground are the pixels above it.

    Returns:
        float32 (N,), in [0, 1]: the mean IoU of the pairs of an object's valid masks, that of two
            empty ones being 0; NaN where there are fewer than two.
    """
    cut = (masks > threshold) & inside[:, None] & valid[:, :, None, None]
    with torch.autocast(masks.device.type, enabled=False):
        ious = mask_iou_matrices(cut)
    pairs = (valid[:, :, None] & valid[:, None]).tril(-1)
    return (ious * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2))


class MaskFusion(Protocol):
    """Makes one mask of an object's candidates."""

    def uses(self, ranked: RankedCandidates) -> Tensor:
        """Candidates that have a say, bool (N, K); no other's mask is computed."""
        ...

    def __call__(self, masks: Tensor, ranked: RankedCandidates) -> Tensor:
        """Fuse.

        Args:
            masks: (N, K, H, W), probabilities; 0 where not valid.
            ranked: N objects' candidates, valid where they are used.

        Returns:
            (N, H, W), in [0, 1]; its pixels above one half are foreground.
        """
        ...


class BestCandidate:
    """The mask of the candidate with the best box, as it is: box-quality ranking without fusion.

    A candidate whose box does not touch the object's is none. With `EqualQuality` this is table 4's
    row BQR: one candidate per object, every pseudo mask with the weight 1 in the loss.
    """

    def uses(self, ranked: RankedCandidates) -> Tensor:
        possible = ranked.valid & (ranked.box_ious > 0)
        return possible & (possible.cumsum(dim=1) == 1)

    def __call__(self, masks: Tensor, ranked: RankedCandidates) -> Tensor:
        return (masks * ranked.valid[:, :, None, None]).sum(dim=1)


class WeightedFusion:
    """`fuse_masks`: the mean weighted by box quality (QMF).

    Args:
        score_threshold: tau, in [0, 1); candidates need a score above it.
    """

    def __init__(self, score_threshold: float = 0.1) -> None:
        self.score_threshold = score_threshold

    def uses(self, ranked: RankedCandidates) -> Tensor:
        confident = ranked.box_scores.float() > self.score_threshold
        return ranked.valid & confident & (ranked.box_ious > 0)

    def __call__(self, masks: Tensor, ranked: RankedCandidates) -> Tensor:
        fused, _ = fuse_masks(
            masks, ranked.box_scores, ranked.box_ious, ranked.valid, self.score_threshold
        )
        return fused
