"""Masks at the strides that are asked for, of mask features at a stride of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.solov2.head import mask_block, masks_at, resized
from boxseg.box_masks import extent


@dataclass(frozen=True)
class MaskGrid:
    """Makes masks at a stride of mask features at another.

    They are resized bilinearly, which keeps row i of an even stride where the suite has it, at the
    pixel row stride / 2 + stride i.

    Attributes:
        features: (B, D, h, w).
        feature_stride: of the features, in pixels.
        stride: of the masks, even.
    """

    features: Tensor
    feature_stride: int
    stride: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a mask."""
        height, width = (
            side * self.feature_stride // self.stride for side in self.features.shape[2:]
        )
        return height, width

    def block(self, kernels: Tensor, cells: Tensor) -> Tensor:
        """Mask logits of as many cells of every image; see `mask_block`: (B, n, H, W)."""
        return self._resized(mask_block(self.features, kernels, cells))

    def masks(self, kernels: Tensor, cells: Tensor, counts: Sequence[int]) -> Tensor:
        """Mask logits of cells of several images; see `masks_at`: (P, H, W)."""
        return self._resized(masks_at(self.features, kernels, cells, counts)[:, None])[:, 0]

    def _resized(self, logits: Tensor) -> Tensor:
        same = self.stride == self.feature_stride
        return logits if same else resized(logits, self.size)

    def boxes(self, probabilities: Tensor, threshold: float) -> Tensor:
        """Boxes of the masks (N, H, W) above a threshold: (N, 4), XYXY in pixels.

        Sides are between cells, where the largest value of a row or column crosses the threshold
        linearly, as it does once the mask is enlarged. So masks that differ hardly ever have the
        same box, which would make them one candidate to a labeller. 0 where a mask is empty; pixel
        c is from c to c + 1.
        """
        x0, x1 = crossings(probabilities.amax(dim=1), threshold)
        y0, y1 = crossings(probabilities.amax(dim=2), threshold)
        boxes = torch.stack((x0, y0, x1, y1), dim=1) * self.stride + 0.5
        return boxes * (x1 > x0)[:, None]


def crossings(profiles: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Where profiles (N, L) first rise above a threshold and last fall below it: (N,) each.

    In entries: the middle of entry i is at i + 0.5. Past an end the profile goes on as it ends, so
    that one which is above the threshold there crosses it half an entry outside of the middle. The
    two are alike where it is nowhere above.
    """
    above = profiles > threshold
    first, after = extent(above)

    def side(place: Tensor, outside: Tensor) -> Tensor:
        inner = profiles.gather(1, place[:, None])[:, 0]
        beyond = outside.clamp(min=0, max=profiles.shape[1] - 1)
        outer = profiles.gather(1, beyond[:, None])[:, 0]
        share = (inner - threshold) / (inner - outer).clamp(min=1e-12)
        return torch.where(beyond == outside, share, 0.5)

    last = (after - 1).clamp(min=0)
    low = first + 0.5 - side(first, first - 1)
    high = last + 0.5 + side(last, last + 1)
    some = after > first
    return torch.where(some, low, 0.0), torch.where(some, high, 0.0)
