"""Which of a teacher's predictions are candidate boxes: one per box.

A detector that scores every class at a cell predicts one box there, with one mask, and as many
predictions of it as classes are likely enough. To the ranking by box quality, in which classes play
no part, they are the same candidate: ranked as several they would fill an object's K places with
copies, so that nothing is complemented by fusing them and theorem 3.1's K candidates are fewer.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class CandidateBoxes(Protocol):
    """Which predictions may become candidates."""

    def __call__(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """Increasing indices, int64 (m,), into the M predictions.

        Args:
            boxes: (M, 4), XYXY in pixels.
            scores: (M,), in [0, 1].
        """
        ...


class DistinctBoxes:
    """Of the predictions that share a box the one of highest score; of equal ones the first."""

    def __call__(self, boxes: Tensor, scores: Tensor) -> Tensor:
        distinct, box_of = boxes.float().unique(dim=0, return_inverse=True)
        best_first = scores.argsort(descending=True, stable=True)
        place = torch.empty_like(best_first)
        place[best_first] = torch.arange(len(scores), device=scores.device)
        best_place = place.new_full((len(distinct),), len(scores))
        best_place.scatter_reduce_(0, box_of, place, "amin")
        return best_first[best_place].sort().values


class EveryPrediction:
    """All of them, as in the released code, which drops those of other classes after ranking."""

    def __call__(self, boxes: Tensor, scores: Tensor) -> Tensor:
        return torch.arange(len(boxes), device=boxes.device)
