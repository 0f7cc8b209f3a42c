"""One-to-one assignment of predictions to objects by their boxes, best score first."""

from __future__ import annotations

from typing import Protocol

import numpy as np
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
    first comes first. Images of a batch are padded to the same numbers: a prediction whose score is
    not above the threshold gets no object, and an object without area goes to no prediction.

    Args:
        pred_boxes: (B, M, 4), XYXY.
        scores: (B, M).
        gt_boxes: (B, N, 4), XYXY.
        iou_threshold: least IoU of a prediction with its object.
        score_threshold: predictions need a score above it.

    Returns:
        int64 (B, N), the prediction of each object, or -1.
    """
    (images, count), objects = scores.shape, gt_boxes.shape[1]
    if images == 0 or count == 0 or objects == 0:
        return torch.full((images, objects), -1, device=gt_boxes.device)
    order = scores.argsort(dim=1, descending=True, stable=True)
    ious = box_iou(pred_boxes.float(), gt_boxes.float()).gather(
        1, order[..., None].expand(-1, -1, objects)
    )
    allowed = (ious >= iou_threshold) & (scores.gather(1, order) > score_threshold)[..., None]
    # How many rounds it takes depends on the data. So the host, which would have to ask a device
    # after every round, gets the overlaps once.
    taken = _in_turn(torch.where(allowed, ious, -1.0).cpu().numpy())
    place = torch.from_numpy(taken).to(order.device, non_blocking=True)
    return torch.where(place < count, order.gather(1, place.clamp(max=count - 1)), -1)


def _in_turn(ious: np.ndarray) -> np.ndarray:
    """Who gets each object when predictions choose in turn.

    Instead of one prediction after another, all choose at once, again and again, each among the
    objects that no better-scored one chose in the round before. Choices depend on better-scored
    predictions alone, so after round t at least the t best have made theirs as they would in turn,
    and a round that changes nothing has found the same assignment. That takes about as many rounds
    as predictions compete for one object.

    Args:
        ious: float (B, M, N), best score first; -1 where a prediction may not have an object.

    Returns:
        int64 (B, N), from 0 to M; M for objects that nobody gets.
    """
    images, count, objects = ious.shape
    # argmax finds the first of equals: with the objects in reverse, the last.
    ious = ious[:, :, ::-1]
    rank = np.arange(count)
    chooser = np.full((images, objects + 1), count)  # one object more, for whom nothing is left
    while True:
        free = np.where(chooser[:, None, :objects] < rank[:, None], -1.0, ious)
        choice = free.argmax(axis=2)
        wanted = np.where(free.max(axis=2) >= 0, choice, objects)
        latest = np.full_like(chooser, count)
        np.minimum.at(latest, (np.arange(images)[:, None], wanted), rank)
        latest[:, objects] = count
        if np.array_equal(latest, chooser):
            return chooser[:, :objects][:, ::-1].copy()
        chooser = latest


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
