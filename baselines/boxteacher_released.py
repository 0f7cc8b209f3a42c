"""What BoxTeacher's released code does where it departs from its paper; for parity.

The moving average of parameters alone is `boxseg.ema.update_ema_parameters`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.box_assignment import GreedyAssignment


class ReleasedAssignment(GreedyAssignment):
    """Greedy assignment with a slip: an object that prediction 0 has taken still counts as free.

    The released code marks an object as taken with the index of its prediction and tests the mark
    for being above 0. So prediction 0 keeps nobody from an object, and keeps an object only if
    nobody after it takes it.
    """

    def __call__(self, pred_boxes: Tensor, scores: Tensor, gt_boxes: Tensor) -> Tensor:
        others = super().__call__(pred_boxes[1:], scores[1:], gt_boxes)
        others = torch.where(others >= 0, others + 1, -1)
        if len(scores) == 0:
            return others
        free = (others < 0) | (scores[others.clamp(min=0)] <= scores[0])
        first = torch.full_like(others, -1)
        first[free] = super().__call__(pred_boxes[:1], scores[:1], gt_boxes[free])
        return torch.where(others >= 0, others, first)
