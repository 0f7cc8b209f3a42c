"""Which of a teacher's predictions are candidate boxes: one per box.

A detector that scores every class at a cell predicts one box there, with one mask, and as many
predictions of it as classes are likely enough. To the ranking by box quality, in which classes play
no part, they are the same candidate: ranked as several they would fill an object's K places with
copies, so that nothing is complemented by fusing them and theorem 3.1's K candidates are fewer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class CandidateBoxes(ABC):
    """Which predictions may become candidates, and which of those that overlap alike come first."""

    @abstractmethod
    def __call__(self, boxes: Tensor, scores: Tensor, image_index: Tensor) -> Tensor:
        """Bool (M,), of the M predictions.

        Args:
            boxes: (M, 4), XYXY in pixels.
            scores: (M,), in [0, 1].
            image_index: int64 (M,), the image of each.
        """

    def in_order(self, places: Tensor, own: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Places in the order in which equal overlaps are ranked; by default that of predictions.

        Args:
            places: int64 (B, L), per image increasing, into the M predictions.
            own: bool (B, L), False for places that are not the image's.
            scores: (M,), M > 0.

        Returns:
            The same two, each row in another order or not.
        """
        return places, own


class DistinctBoxes(CandidateBoxes):
    """Of an image's predictions that share a box the one of highest score; of equals the first."""

    def __call__(self, boxes: Tensor, scores: Tensor, image_index: Tensor) -> Tensor:
        # Sorted by image, then box, then score, the best of every box comes first among its like.
        # Sorting tells so without counting the boxes, for which the host would wait.
        order = scores.argsort(descending=True, stable=True)
        for key in (*_corner_keys(boxes), image_index):
            order = order[key[order].argsort(stable=True)]
        keys = torch.column_stack((boxes.float(), image_index))[order]
        first = (keys != keys.roll(1, dims=0)).any(dim=1)
        first[:1] = True
        return torch.empty_like(first).scatter_(0, order, first)


def _corner_keys(boxes: Tensor) -> tuple[Tensor, ...]:
    """Two whole numbers per box, int64 (M,) each, that are alike exactly where the boxes are."""
    bits = (boxes.float() + 0.0).view(torch.int32).long()  # the sum makes -0 and 0 alike
    return ((bits[:, 0::2] << 32) | (bits[:, 1::2] & 0xFFFFFFFF)).unbind(dim=1)


class EveryPrediction(CandidateBoxes):
    """All of them, as in the released code, which drops those of other classes after ranking.

    It has its predictions by falling score. A cell's box is predicted once for each likely class,
    and of these equals the best come first where not all are among the object's candidates.
    """

    def __call__(self, boxes: Tensor, scores: Tensor, image_index: Tensor) -> Tensor:
        return torch.ones_like(scores, dtype=torch.bool)

    def in_order(self, places: Tensor, own: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        of_place = scores[places].float().masked_fill(~own, -1.0)
        order = of_place.argsort(dim=1, descending=True, stable=True)
        return places.gather(1, order), own.gather(1, order)
