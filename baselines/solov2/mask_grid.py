"""Mask features at their own stride, and masks made of them at the strides that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from baselines.solov2.head import mask_block, masks_at, resized
from boxseg.full_size_masks import Upsampling


@dataclass(frozen=True)
class MaskGrid:
    """Makes masks at a stride of mask features at another.

    Attributes:
        features: (B, D, h, w).
        feature_stride: of the features, in pixels.
        stride: of the masks, a divisor or a multiple of it.
        upsample: to a finer stride.
    """

    features: Tensor
    feature_stride: int
    stride: int
    upsample: Upsampling

    @property
    def pixels(self) -> int:
        """Of one mask."""
        height, width = self.features.shape[2:]
        return height * width * self.feature_stride**2 // self.stride**2

    def block(self, kernels: Tensor, cells: Tensor) -> Tensor:
        """Mask logits of as many cells of every image; see `mask_block`: (B, n, H, W)."""
        return at_stride(
            mask_block(self.features, kernels, cells),
            self.feature_stride,
            self.stride,
            self.upsample,
        )

    def masks(self, kernels: Tensor, cells: Tensor, counts: Sequence[int]) -> Tensor:
        """Mask logits of cells of several images; see `masks_at`: (P, H, W)."""
        logits = masks_at(self.features, kernels, cells, counts)[:, None]
        return at_stride(logits, self.feature_stride, self.stride, self.upsample)[:, 0]

    def in_pixels(self, boxes: Tensor) -> Tensor:
        """Boxes (N, 4) of cells of the masks in pixels; row i stands for stride // 2 + stride i."""
        shift = self.stride // 2 + 0.5 - self.stride / 2
        return boxes * self.stride + shift * (boxes[:, 2:3] > 0)


def at_stride(logits: Tensor, before: int, after: int, upsample: Upsampling) -> Tensor:
    """Maps (N, C, h, w) of a stride at another one.

    To a coarser one they are resized bilinearly: an even number of cells are averaged around the
    middle that the coarser cell stands for.
    """
    if after <= before:
        return upsample(logits, before // after)
    height, width = (side * before // after for side in logits.shape[2:])
    return resized(logits, (height, width))
