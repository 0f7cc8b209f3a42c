"""Box-Quality Ranking: which predictions are candidates for an object's pseudo mask, and how many.

Section 3.3 of the paper, "Box-Quality Ranking" and Eq. 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou

from boxseg.errors import InputError


@dataclass(frozen=True)
class RankedCandidates:
    """Candidates of N objects, at most K each, best box first.

    Attributes:
        indices: int64 (N, K), into the teacher's predictions.
        box_ious: (N, K), u: IoU of the candidate's box with the object's, in [0, 1].
        box_scores: (N, K), s, in [0, 1].
        same_class: bool (N, K), predicted as the object's class.
        valid: bool (N, K); the other values mean nothing where it is False.
    """

    indices: Tensor
    box_ious: Tensor
    box_scores: Tensor
    same_class: Tensor
    valid: Tensor

    def __getitem__(self, objects: slice) -> RankedCandidates:
        return RankedCandidates(
            self.indices[objects],
            self.box_ious[objects],
            self.box_scores[objects],
            self.same_class[objects],
            self.valid[objects],
        )


def box_quality_ranking(
    pred_boxes: Tensor, gt_boxes: Tensor, top_k: int | Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The predicted boxes of highest IoU with every object's box; class scores play no part.

    Args:
        pred_boxes: (M, 4), XYXY in pixels, before non-maximum suppression.
        gt_boxes: (N, 4), XYXY in pixels.
        top_k: candidates per object, >= 0: one number for all, or int64 (N,).

    Returns:
        indices: int64 (N, K) into the predictions with K = max(top_k), best IoU first; of equal
            IoUs the lower index comes first. 0 in the places past M.
        box_ious: (N, K) in [0, 1], of the predictions' dtype; 0 in the places past M.
        valid: bool (N, K), False past each object's own k or past M.

    Raises:
        ValueError: a negative `top_k`.
    """
    limits = torch.as_tensor(top_k, dtype=torch.int64, device=pred_boxes.device)
    if (limits < 0).any():
        raise ValueError("top_k must not be negative")
    most = top_k if isinstance(top_k, int) else greatest(limits)
    everyone = torch.arange(len(pred_boxes), device=pred_boxes.device)
    every_object = everyone.expand(len(gt_boxes), -1)
    allowed = torch.ones_like(every_object, dtype=torch.bool)
    limits = limits.expand(len(gt_boxes))
    return ranked_by_overlap(pred_boxes, gt_boxes, every_object, allowed, limits, most)


def greatest(counts: Tensor) -> int:
    """The greatest of int64 (N,); 0 of none."""
    return int(counts.max()) if len(counts) else 0


def ranked_by_overlap(
    pred_boxes: Tensor,
    gt_boxes: Tensor,
    places: Tensor,
    allowed: Tensor,
    limits: Tensor,
    most: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """`box_quality_ranking` where every object has predictions of its own to rank.

    Args:
        pred_boxes: (M, 4), XYXY in pixels.
        gt_boxes: (N, 4), XYXY in pixels.
        places: int64 (N, L), which of the M may be each object's; of equal IoUs the one that
            stands here first comes first.
        allowed: bool (N, L), False for places that are not.
        limits: int64 (N,), >= 0, how many each object gets at most.
        most: K, the greatest limit.

    Returns:
        As `box_quality_ranking`, with indices into the M.
    """
    missing = max(most - places.shape[1], 0)
    if missing:
        places, allowed = F.pad(places, (0, missing)), F.pad(allowed, (0, missing))
    if not len(pred_boxes):
        nothing = pred_boxes.new_zeros(len(gt_boxes), most)
        return nothing.long(), nothing, nothing.bool()
    # Boxes without area divide zero by zero: they overlap nothing.
    ious = box_iou(gt_boxes.float()[:, None], pred_boxes.float()[places])[:, 0].nan_to_num(0.0)
    ranked, order = ious.masked_fill(~allowed, -1.0).sort(dim=1, descending=True, stable=True)
    ranked, order = ranked[:, :most], order[:, :most]
    valid = allowed.gather(1, order) & (torch.arange(most, device=order.device) < limits[:, None])
    indices = torch.where(allowed.gather(1, order), places.gather(1, order), 0)
    return indices, ranked.clamp(min=0).to(pred_boxes.dtype), valid


def adaptive_top_k(
    gt_areas: Tensor,
    k_min: int = 2,
    k_max: int = 10,
    small_area: float = 32**2,
    large_area: float = 96**2,
) -> Tensor:
    """Candidates per object, growing with its size (Eq. 4).

    K = k_min where a <= small_area, k_max where a >= large_area, and between them
    K = round(k_min + (k_max - k_min) (sqrt a - sqrt small_area) / (sqrt large_area - sqrt
    small_area)), halves to the even number. The paper says "linearly"; that it is linear in the
    side of the object and not in its area (`top_k_linear_in_area`) is our reading.

    Args:
        gt_areas: (N,), areas of the objects' boxes in pixels of the original image, >= 0.
        k_min, k_max: bounds of K.
        small_area, large_area: in pixels of the original image (COCO's small and large objects).

    Returns:
        int64 (N,), in [k_min, k_max].

    Raises:
        InputError: the bounds are not in order.
    """
    _refuse_disorder(k_min, k_max, small_area, large_area)
    sides = gt_areas.to(torch.promote_types(gt_areas.dtype, torch.float32)).sqrt()
    return _between(sides, small_area**0.5, large_area**0.5, k_min, k_max)


def top_k_linear_in_area(
    gt_areas: Tensor,
    k_min: int = 2,
    k_max: int = 10,
    small_area: float = 32**2,
    large_area: float = 96**2,
) -> Tensor:
    """Candidates per object by the other reading of Eq. 4, whose symbols are areas.

    As `adaptive_top_k`, with a, small_area and large_area in the place of their roots. Of COCO's
    medium objects, of 32 to 96 pixels a side, one of 64 gets 5 candidates, by the side 6.
    """
    _refuse_disorder(k_min, k_max, small_area, large_area)
    areas = gt_areas.to(torch.promote_types(gt_areas.dtype, torch.float32))
    return _between(areas, small_area, large_area, k_min, k_max)


def _between(sizes: Tensor, small: float, large: float, k_min: int, k_max: int) -> Tensor:
    share = ((sizes - small) / (large - small)).clamp(0, 1)
    return (k_min + (k_max - k_min) * share).round().long()


def _refuse_disorder(k_min: int, k_max: int, small_area: float, large_area: float) -> None:
    if not 1 <= k_min <= k_max:
        raise InputError(
            f"the adaptive number of candidates needs 1 <= k_min <= k_max, but k_min is {k_min} "
            f"and k_max {k_max}; exchange or raise them."
        )
    if not 0 <= small_area < large_area:
        raise InputError(
            "the adaptive number of candidates needs 0 <= small_area < large_area, but small_area "
            f"is {small_area} and large_area {large_area}; exchange or change them."
        )


class CandidateCount(Protocol):
    """How many candidates an object gets."""

    def __call__(self, gt_areas: Tensor) -> Tensor:
        """From areas (N,), in pixels of the original image, to int64 (N,)."""
        ...


class FixedTopK:
    """The same number of candidates for every object (table 7's row without adaptive K)."""

    def __init__(self, k: int = 10) -> None:
        if k < 1:
            raise InputError(f"an object needs at least one candidate, but k is {k}; raise k.")
        self.k = k

    def __call__(self, gt_areas: Tensor) -> Tensor:
        return torch.full_like(gt_areas, self.k, dtype=torch.int64)


class AdaptiveTopK:
    """More candidates for larger objects: `adaptive_top_k` with its parameters."""

    def __init__(
        self,
        k_min: int = 2,
        k_max: int = 10,
        small_area: float = 32**2,
        large_area: float = 96**2,
    ) -> None:
        self.k_min = k_min
        self.k_max = k_max
        self.small_area = small_area
        self.large_area = large_area
        self(torch.zeros(0))  # wrong bounds are refused here, not in the first iteration

    def __call__(self, gt_areas: Tensor) -> Tensor:
        return adaptive_top_k(gt_areas, self.k_min, self.k_max, self.small_area, self.large_area)


class TopKLinearInArea(AdaptiveTopK):
    """The other reading of Eq. 4: `top_k_linear_in_area` with its parameters."""

    def __call__(self, gt_areas: Tensor) -> Tensor:
        bounds = (self.k_min, self.k_max, self.small_area, self.large_area)
        return top_k_linear_in_area(gt_areas, *bounds)


class CandidateFilter(Protocol):
    """Which ranked candidates remain candidates."""

    def __call__(self, ranked: RankedCandidates) -> Tensor:
        """Bool (N, K)."""
        ...


class EveryCandidate:
    """All of them: box quality alone decides, candidates of another class included (the paper)."""

    def __call__(self, ranked: RankedCandidates) -> Tensor:
        return ranked.valid


class OverlapFloor:
    """Drops candidates whose box overlaps the object's less than `min_iou`.

    The paper has no such floor. A host with few candidates of an object, such as a decoder that
    matches one query with each, fills its K places with boxes that hardly touch it.

    Args:
        min_iou: least u of a candidate, in [0, 1].

    Raises:
        InputError: `min_iou` is outside [0, 1].
    """

    def __init__(self, min_iou: float = 0.5) -> None:
        if not 0 <= min_iou <= 1:
            raise InputError(
                f"min_iou is {min_iou}, but overlaps of boxes are between 0 and 1; change it."
            )
        self.min_iou = min_iou

    def __call__(self, ranked: RankedCandidates) -> Tensor:
        return ranked.valid & (ranked.box_ious >= self.min_iou)
