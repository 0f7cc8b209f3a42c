"""BoxTeacher's pseudo masks: box-based pseudo mask assignment (BPMA) and mask-aware confidence.

The teacher's detections, after non-maximum suppression, are handed out to the objects. Cheng et
al., "BoxTeacher: Exploring High-Quality Pseudo Labels for Weakly Supervised Instance Segmentation",
CVPR 2023. The losses are in `boxseg.pseudo_mask_losses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from detectron2.structures import Instances
from torch import Tensor

from baselines.box_assignment import BoxAssignment, GreedyAssignment
from boxseg.box_masks import box_masks
from boxseg.mask_rescoring import mask_aware_scores, mean_foreground_probability
from boxseg.pseudo_labels import PseudoLabeller, PseudoMasks, TeacherPredictions, boxes_of
from boxseg.ragged import first_places, image_index, padded_places


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


@dataclass(frozen=True)
class AssignedDetections:
    """The detections assigned to N objects; zeros where there is none.

    Attributes:
        probabilities: (N, H, W), their masks at the teacher's stride, in and outside the boxes.
        confidence: float32 (N,), trust in their masks, in [0, 1].
        scores: float32 (N,), the detector's, in [0, 1].
        found: bool (N,), the object has a detection.
    """

    probabilities: Tensor
    confidence: Tensor
    scores: Tensor
    found: Tensor


class BoxPseudoMaskAssignment(PseudoLabeller):
    """Pseudo masks that are the teacher's detections, one for an object at most (BPMA).

    An object has no pseudo mask where no detection is assigned to it, or where the mask of that
    detection has no pixel inside the object's box.
    The masks of all detections are held at a time: as many as suppression leaves, 100 with the
    usual detector.

    Args:
        assignment: of detections, with boxes clipped to the image, to objects.
        scoring: of the detections.
        mask_threshold: foreground are the pixels of a mask above it, in [0, 1).
        empty_masks: a mask whose foreground is all outside the box is a pseudo mask as well, an
            empty one, as in the released code.
    """

    def __init__(
        self,
        assignment: BoxAssignment | None = None,
        scoring: PredictionScoring | None = None,
        mask_threshold: float = 0.5,
        empty_masks: bool = False,
    ) -> None:
        super().__init__()
        self.assignment = assignment or GreedyAssignment()
        self.scoring = scoring or MaskAwareScoring()
        self.mask_threshold = mask_threshold
        self.empty_masks = empty_masks

    def assign(
        self, predictions: TeacherPredictions, objects: Sequence[Instances]
    ) -> AssignedDetections:
        """Assign the detections that survive suppression to objects.

        Args:
            predictions: of the teacher.
            objects: per image, N in all, with `gt_boxes` in the frame of the predictions.
        """
        device = predictions.device
        detections = predictions.suppressed()
        kept = torch.cat(list(detections))
        counts = [len(of_image) for of_image in objects]
        detected = [len(of_image) for of_image in detections]
        scores, masks = predictions.scores[kept], predictions.masks_of(kept, detected)
        if not len(kept):
            nothing = torch.zeros(sum(counts), device=device)
            empty = masks.new_zeros(sum(counts), *masks.shape[1:])
            return AssignedDetections(empty, nothing, nothing, nothing.bool())
        boxes = clipped(predictions, kept, detected)
        ranking = self.scoring.ranking(scores, masks)
        places, real = padded_places(detected, device)
        # The padding's score is below every threshold, its objects have no area.
        ranked = torch.where(real, ranking[places], -1.0)
        objects_of, is_object = padded_places(counts, device)
        everyone = F.pad(boxes_of(objects, device), (0, 0, 0, 1))
        wanted = everyone[torch.where(is_object, objects_of, len(everyone) - 1)]
        assigned = self.assignment(boxes[places], ranked, wanted)
        chosen = torch.where(assigned >= 0, places.gather(1, assigned.clamp(min=0)), -1)
        image, first = image_index(counts, device), first_places(counts, device)
        chosen = chosen[image, torch.arange(sum(counts), device=device) - first[image]]
        found, chosen = chosen >= 0, chosen.clamp(min=0)
        confidence = self.scoring.confidence(scores, masks).float()
        return AssignedDetections(
            probabilities=masks[chosen] * found[:, None, None],
            confidence=torch.where(found, confidence[chosen], 0.0),
            scores=torch.where(found, scores[chosen].float(), 0.0),
            found=found,
        )

    @torch.no_grad()
    def forward(self, predictions: TeacherPredictions, objects: Sequence[Instances]) -> PseudoMasks:
        """Label the images of a batch; see `PseudoLabeller`."""
        assigned = self.assign(predictions, objects)
        height, width = assigned.probabilities.shape[1:]
        boxes = boxes_of(objects, predictions.device)
        inside = box_masks(boxes, predictions.mask_stride, height, width)
        masks = (assigned.probabilities > self.mask_threshold) & inside
        valid = masks.flatten(1).any(dim=1)
        if self.empty_masks:
            valid = assigned.confidence > 0
        return PseudoMasks(
            probabilities=assigned.probabilities * valid[:, None, None],
            threshold=self.mask_threshold,
            masks=masks,
            quality=torch.where(valid, assigned.confidence, 0.0),
            scores=torch.where(valid, assigned.scores, 0.0),
            valid=valid,
            candidates=assigned.found.long(),
        )


def clipped(predictions: TeacherPredictions, kept: Tensor, counts: Sequence[int]) -> Tensor:
    """Boxes of some predictions cut to their images: float32 (n, 4), XYXY.

    Args:
        predictions: of the teacher.
        kept: int64 (n,), into the M predictions, one image's after the other's.
        counts: how many of them are each image's.
    """
    limits = torch.tensor(predictions.image_sizes, dtype=torch.float32).flip(1).repeat(1, 2)
    limits = limits.to(kept.device, non_blocking=True)[image_index(counts, kept.device)]
    return torch.minimum(predictions.boxes[kept].float().clamp(min=0), limits)
