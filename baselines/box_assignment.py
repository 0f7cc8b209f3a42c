"""One-to-one assignment of predictions to objects by their boxes, best score first."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torchvision.ops import box_iou

from boxseg.errors import InputError


def assign_greedily(
    pred_boxes: Tensor,
    scores: Tensor,
    gt_boxes: Tensor,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
) -> Tensor:
    """Give each prediction in turn, best score first, the free object that it overlaps most.

    An object goes to one prediction at most and a prediction to one object at most; classes are not
    compared. Of objects with the same IoU the last is taken, of predictions with the same score the
    first comes first.

    Instead of one prediction after another, all choose at once, again and again, each among the
    objects that no better-scored one chose in the round before. Choices depend on better-scored
    predictions alone, so after round t at least the t best have made theirs as they would in turn,
    and a round that changes nothing has found the same assignment. That takes about as many rounds
    as predictions compete for one object, on whatever device the boxes are.

    Args:
        pred_boxes: (M, 4), XYXY.
        scores: (M,).
        gt_boxes: (N, 4), XYXY.
        iou_threshold: least IoU of a prediction with its object.
        score_threshold: predictions need a score above it.

    Returns:
        int64 (N,), the prediction of each object, or -1.
    """
    count, objects = len(pred_boxes), len(gt_boxes)
    if count == 0 or objects == 0:
        return torch.full((objects,), -1, device=gt_boxes.device)
    order = scores.argsort(descending=True, stable=True)
    ious = box_iou(pred_boxes[order].float(), gt_boxes.float())
    allowed = (ious >= iou_threshold) & (scores[order] > score_threshold)[:, None]
    # max finds the first of equals: with the objects in reverse, the last.
    ious = torch.where(allowed, ious, -1.0).flip(1)
    rank = torch.arange(count, device=ious.device)
    chooser = torch.full((objects,), count, device=ious.device)
    while True:
        best, choice = torch.where(chooser < rank[:, None], -1.0, ious).max(dim=1)
        place = torch.where(best >= 0, choice, objects)
        latest = torch.full((objects + 1,), count, device=ious.device)
        latest = latest.scatter_reduce(0, place, rank, "amin")[:objects]
        if torch.equal(latest, chooser):
            break
        chooser = latest
    return torch.cat((order, order.new_tensor([-1])))[chooser.flip(0)]


class BoxAssignment(Protocol):
    """Assigns predictions to objects by their boxes."""

    def __call__(self, pred_boxes: Tensor, scores: Tensor, gt_boxes: Tensor) -> Tensor:
        """Assign; arguments and result as those of `assign_greedily`."""
        ...


class GreedyAssignment:
    """`assign_greedily` with thresholds of its own.

    Args:
        iou_threshold: in (0, 1].
        score_threshold: in [0, 1).

    Raises:
        InputError: a threshold out of its range.
    """

    def __init__(self, iou_threshold: float = 0.5, score_threshold: float = 0.0) -> None:
        if not 0 < iou_threshold <= 1:
            raise InputError(
                f"iou_threshold of the pseudo mask assignment is {iou_threshold}, but it has to be "
                "above 0 and at most 1; set it to 0.5 for BoxTeacher."
            )
        if not 0 <= score_threshold < 1:
            raise InputError(
                f"score_threshold of the pseudo mask assignment is {score_threshold}, but it has "
                "to be at least 0 and below 1; set it to 0 for BoxTeacher."
            )
        self.iou_threshold = iou_threshold
        self.score_threshold = score_threshold

    def __call__(self, pred_boxes: Tensor, scores: Tensor, gt_boxes: Tensor) -> Tensor:
        return assign_greedily(
            pred_boxes, scores, gt_boxes, self.iou_threshold, self.score_threshold
        )
