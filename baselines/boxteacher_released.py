"""What BoxTeacher's released code does where it departs from its paper; for parity.

The moving average of parameters alone is `boxseg.ema.update_ema_parameters`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.box_assignment import GreedyAssignment, assign_greedily


class ReleasedAssignment(GreedyAssignment):
    """Greedy assignment with a slip: an object that prediction 0 has taken still counts as free.

    The released code marks an object as taken with the index of its prediction and tests the mark
    for being above 0. So prediction 0 keeps nobody from an object, and keeps an object only if
    nobody after it takes it. It skips only scores below the threshold: at a threshold of 0, a
    prediction whose mask is empty, which has score 0, still takes an object.
    """

    def __call__(self, pred_boxes: Tensor, scores: Tensor, gt_boxes: Tensor) -> Tensor:
        others = self._assign(pred_boxes[:, 1:], scores[:, 1:], gt_boxes)
        others = torch.where(others >= 0, others + 1, -1)
        if scores.shape[1] == 0:
            return others
        free = (others < 0) | (scores.gather(1, others.clamp(min=0)) <= scores[:, :1])
        # An object without area is as good as none.
        left = torch.where(free[..., None], gt_boxes, 0.0)
        first = self._assign(pred_boxes[:, :1], scores[:, :1], left)
        return torch.where(others >= 0, others, first)

    def _assign(self, pred_boxes: Tensor, scores: Tensor, gt_boxes: Tensor) -> Tensor:
        """`assign_greedily` for scores of the threshold as well, which are never negative."""
        eligible = torch.where(scores >= self.score_threshold, scores, -1.0)
        return assign_greedily(pred_boxes, eligible, gt_boxes, self.iou_threshold, -1.0)
