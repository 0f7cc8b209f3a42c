"""From a batch's images to a network's input: padded to one size and normalised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def zero_padded(images: Sequence[Tensor], divisor: int, device: torch.device) -> Tensor:
    """Images (3, h, w) padded at the bottom and the right: float32 (B, 3, H, W).

    Args:
        images: values 0-255.
        divisor: of H and W.
        device: of the result.
    """
    height, width = (
        math.ceil(max(image.shape[axis] for image in images) / divisor) * divisor for axis in (1, 2)
    )
    return torch.stack(
        [
            F.pad(
                image.to(device, torch.float32, non_blocking=True),
                (0, width - image.shape[2], 0, height - image.shape[1]),
            )
            for image in images
        ]
    )


def normalised(
    padded: Tensor, sizes: Sequence[tuple[int, int]], mean: Tensor, std: Tensor
) -> Tensor:
    """Padded images (B, 3, H, W) less a mean, over a deviation; padding is 0 again afterwards.

    Args:
        padded: see `zero_padded`.
        sizes: per image, (height, width) without padding.
        mean, std: (3, 1, 1), of the three channels.
    """
    result = (padded - mean) / std
    for image, (height, width) in zip(result, sizes, strict=True):
        image[:, height:] = 0
        image[:, :, width:] = 0
    return result
