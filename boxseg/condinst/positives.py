"""Which positive cells reach the mask head; computing a mask for each would cost too much."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class PositiveSampler(Protocol):
    """Chooses among a batch's positive cells."""

    def __call__(self, scores: Tensor, object_index: Tensor, image_index: Tensor) -> Tensor:
        """Choose.

        Args:
            scores: (P,), the larger the better.
            object_index: int64 (P,), the object each positive belongs to; those of all images are
                counted one after the other.
            image_index: int64 (P,).

        Returns:
            int64 indices into the P positives.
        """
        ...


class RandomPositives:
    """At most `maximum` positives of the batch, drawn at random (CondInst)."""

    def __init__(self, maximum: int = 500) -> None:
        self.maximum = maximum

    def __call__(self, scores: Tensor, object_index: Tensor, image_index: Tensor) -> Tensor:
        if len(scores) <= self.maximum:
            return torch.arange(len(scores), device=scores.device)
        return torch.randperm(len(scores))[: self.maximum].to(scores.device)


class TopPositives:
    """The best-scored positives of every object, an equal share of `per_image` each (BoxInst).

    An image whose n objects have positives gives each of them max(per_image // n, 1) places.
    """

    def __init__(self, per_image: int = 64) -> None:
        self.per_image = per_image

    def __call__(self, scores: Tensor, object_index: Tensor, image_index: Tensor) -> Tensor:
        if len(scores) == 0:
            return torch.arange(0, device=scores.device)
        order = scores.argsort(descending=True, stable=True)
        order = order[object_index[order].argsort(stable=True)]
        # Sorted by object, positives are sorted by image too, and where an object or an image
        # begins and ends can be searched for: nothing is read back but the number that stays.
        owners, images = object_index[order], image_index[order]
        first = torch.searchsorted(owners, owners)
        rank = torch.arange(len(order), device=order.device) - first
        objects_so_far = (rank == 0).cumsum(0)
        begin = torch.searchsorted(images, images)
        last = torch.searchsorted(images, images, right=True) - 1
        objects_of_image = objects_so_far[last] - objects_so_far[begin] + 1
        quota = (self.per_image // objects_of_image).clamp(min=1)
        return order[rank < quota]
