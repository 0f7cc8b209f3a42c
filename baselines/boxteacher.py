"""BoxTeacher's pseudo masks: box-based pseudo mask assignment (BPMA) and mask-aware confidence.

The teacher's detections, after non-maximum suppression, are handed out to the objects. Cheng et
al., "BoxTeacher: Exploring High-Quality Pseudo Labels for Weakly Supervised Instance Segmentation",
CVPR 2023. The losses are in `boxseg.pseudo_mask_losses`.
"""

from __future__ import annotations

from typing import Protocol

import torch
from detectron2.structures import Instances
from torch import Tensor
from torchvision.ops import box_iou, clip_boxes_to_image

from boxseg.box_supervision import box_profiles
from boxseg.errors import InputError
from boxseg.pseudo_labels import PseudoMasks, TeacherPredictions


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
    # argmax returns the first of equals: with the objects in reverse, the last.
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


def mask_aware_confidence(
    scores: Tensor, probabilities: Tensor, pixel_threshold: float = 0.5
) -> Tensor:
    """sqrt(sqrt(s) m): how far a pseudo mask is to be trusted.

    The score s is itself the root of class probability x centre-ness; m is the mean probability of
    the foreground. The released code takes m at the image's size, where masks are smoother than at
    a coarser stride, so there it is a little different.

    Args:
        scores: (n,), s, in [0, 1].
        probabilities: (n, H, W), in [0, 1].
        pixel_threshold: foreground is above it.

    Returns:
        float32 (n,), in [0, 1].
    """
    mean = mean_foreground_probability(probabilities, pixel_threshold)
    return (scores.float().sqrt() * mean).sqrt()


def mask_aware_scores(
    scores: Tensor, probabilities: Tensor, pixel_threshold: float = 0.5
) -> Tensor:
    """sqrt(s m): the score of a detection once its mask is known.

    BoxTeacher ranks the teacher's predictions by it and reports it for its detections, where the
    masks are those at the original image's size.

    Arguments and result as those of `mask_aware_confidence`.
    """
    mean = mean_foreground_probability(probabilities, pixel_threshold)
    return (scores.float() * mean).sqrt()


class PredictionScoring(Protocol):
    """Says in which order predictions are assigned, and how far their masks are trusted."""

    def ranking(self, scores: Tensor, probabilities: Tensor) -> Tensor:
        """Order: (n,), best is largest, of scores (n,) and masks (n, H, W), all in [0, 1]."""
        ...

    def confidence(self, scores: Tensor, probabilities: Tensor) -> Tensor:
        """Trust: (n,) in [0, 1], of scores (n,) and masks (n, H, W), all in [0, 1]."""
        ...


class MaskAwareScoring:
    """BoxTeacher's own: mask-aware scores and confidence (MCS)."""

    def __init__(self, pixel_threshold: float = 0.5) -> None:
        self.pixel_threshold = pixel_threshold

    def ranking(self, scores: Tensor, probabilities: Tensor) -> Tensor:
        return mask_aware_scores(scores, probabilities, self.pixel_threshold)

    def confidence(self, scores: Tensor, probabilities: Tensor) -> Tensor:
        return mask_aware_confidence(scores, probabilities, self.pixel_threshold)


class DetectionScoring:
    """BPMA without MCS: the detector's order, and full trust in every mask."""

    def ranking(self, scores: Tensor, probabilities: Tensor) -> Tensor:
        return scores

    def confidence(self, scores: Tensor, probabilities: Tensor) -> Tensor:
        return torch.ones_like(scores)


class BoxPseudoMaskAssignment:
    """Pseudo masks that are the teacher's detections, one for an object at most (BPMA).

    An object has no pseudo mask where no detection is assigned to it, or where the mask of that
    detection has no pixel inside the object's box. The masks of all detections are held at a time:
    as many as suppression leaves, 100 with the usual detector.

    Args:
        assignment: of detections, with boxes clipped to the image, to objects.
        scoring: of the detections.
        mask_threshold: foreground are the pixels of a mask above it, in [0, 1).
    """

    def __init__(
        self,
        assignment: BoxAssignment | None = None,
        scoring: PredictionScoring | None = None,
        mask_threshold: float = 0.5,
    ) -> None:
        self.assignment = assignment or GreedyAssignment()
        self.scoring = scoring or MaskAwareScoring()
        self.mask_threshold = mask_threshold

    @torch.no_grad()
    def __call__(self, predictions: TeacherPredictions, objects: Instances) -> PseudoMasks:
        """Label one image; see `PseudoLabeller`."""
        kept = predictions.suppressed()
        scores, probabilities = predictions.scores[kept], predictions.masks_of(kept)
        boxes = clip_boxes_to_image(predictions.boxes[kept].float(), predictions.image_size)
        gt_boxes = objects.gt_boxes.tensor.to(boxes)
        assigned = self.assignment(boxes, self.scoring.ranking(scores, probabilities), gt_boxes)
        taught = assigned >= 0
        chosen = assigned[taught]
        height, width = probabilities.shape[1:]
        masks = probabilities.new_zeros(len(gt_boxes), height, width)
        masks[taught] = probabilities[chosen]
        quality, taught_by = torch.zeros(2, len(gt_boxes), device=boxes.device)
        quality[taught] = self.scoring.confidence(scores[chosen], probabilities[chosen]).float()
        taught_by[taught] = scores[chosen].float()
        rows, columns = box_profiles(gt_boxes, predictions.mask_stride, height, width)
        foreground = (masks > self.mask_threshold) & rows[:, :, None] & columns[:, None]
        valid = foreground.flatten(1).any(dim=1)
        return PseudoMasks(
            masks=foreground,
            quality=torch.where(valid, quality, 0.0),
            scores=torch.where(valid, taught_by, 0.0),
            valid=valid,
            candidates=taught.long(),
        )
