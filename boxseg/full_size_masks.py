"""From masks at the network's stride to masks of the original image, a bounded part at a time."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.aligned_upsample import aligned_upsample
from boxseg.encoded_masks import PIXELS_AT_ONCE, EncodedMasks, mask_chunks

Rescoring = Callable[[Tensor, Tensor], Tensor]
"""New scores (K,) of detections from their scores and their masks' probabilities (K, H, W) at the
original size; every detection's depends on itself alone, for few come at a time."""

Upsampling = Callable[[Tensor, int], Tensor]
"""Enlarges maps (N, C, H, W) by an integer factor, as `aligned_upsample` does."""


def full_size_masks(
    probabilities: Tensor,
    scores: Tensor,
    stride: int,
    size: tuple[int, int],
    original: tuple[int, int],
    rescore: Rescoring | None = None,
    at_once: int = PIXELS_AT_ONCE,
    threshold: float = 0.5,
    upsample: Upsampling = aligned_upsample,
) -> tuple[EncodedMasks, Tensor]:
    """Masks and scores of an image's detections at the original image's size.

    Args:
        probabilities: (K, h, w) in [0, 1], at the masks' stride.
        scores: (K,).
        stride: of the masks, in pixels of the network's input.
        size: (height, width) of the network's input without padding.
        original: (height, width) of the original image.
        rescore: by default scores stay as they are.
        at_once: pixels of all masks of a part.
        threshold: foreground are the pixels above it.
        upsample: from the masks' stride to the pixels of the network's input.

    Returns:
        What it would be of all masks together; on a GPU sums over a mask, and so new scores, may
        differ in their last digit where masks come in several parts.
    """
    masks, rescored = [], []
    for run in mask_chunks(len(probabilities), max(prod(size), prod(original)), at_once):
        fine = upsample(probabilities[run, None], stride)[..., : size[0], : size[1]]
        if size != original:
            fine = F.interpolate(fine, size=original, mode="bilinear", align_corners=False)
        fine = fine[:, 0]
        rescored.append(scores[run] if rescore is None else rescore(scores[run], fine))
        masks.append(EncodedMasks.of(fine > threshold))
    return EncodedMasks.cat(masks), torch.cat(rescored)
