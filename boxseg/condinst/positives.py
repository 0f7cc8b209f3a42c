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
            object_index: int64 (P,), the object each positive belongs to, counted over the batch.
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
        _, group, sizes = object_index[order].unique_consecutive(
            return_inverse=True, return_counts=True
        )
        first = sizes.cumsum(0) - sizes
        rank = torch.arange(len(order), device=order.device) - first[group]
        image_of_group = image_index[order][first]
        objects_per_image = image_of_group.bincount(minlength=int(image_of_group.max()) + 1)
        quota = (self.per_image // objects_per_image[image_of_group]).clamp(min=1)
        return order[rank < quota[group]]
