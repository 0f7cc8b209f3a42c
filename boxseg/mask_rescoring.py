"""Detections scored by their masks as well, once these are known.

As in the published code of BoxTeacher and of BoxSeg, which do so wherever detections leave the
network that is tested.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_foreground_probability(probabilities: Tensor, pixel_threshold: float = 0.5) -> Tensor:
    """Mean over a mask's foreground, the pixels above the threshold; 0 where there are none.

    Args:
        probabilities: (n, H, W), in [0, 1].
        pixel_threshold: in [0, 1).

    Returns:
        float32 (n,), in [0, 1].
    """
    foreground = probabilities > pixel_threshold
    sums = torch.where(foreground, probabilities, 0.0).sum(dim=(1, 2), dtype=torch.float32)
    return (sums / foreground.sum(dim=(1, 2)).clamp(min=1)).clamp(max=1)


def mask_aware_scores(
    scores: Tensor, probabilities: Tensor, pixel_threshold: float = 0.5
) -> Tensor:
    """sqrt(s m), where m is the mean probability of the foreground.

    It is what a method with a teacher reports for its detections, where the masks are those at the
    original image's size; BoxTeacher ranks the teacher's predictions by it besides.

    Args:
        scores: (n,), s, the detector's, in [0, 1].
        probabilities: (n, H, W), in [0, 1].
        pixel_threshold: foreground is above it.

    Returns:
        float32 (n,), in [0, 1]; 0 where a mask has no foreground.
    """
    mean = mean_foreground_probability(probabilities, pixel_threshold)
    return (scores.float() * mean).sqrt()
