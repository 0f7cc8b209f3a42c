"""The quality-aware module at work on one object: candidates, weights, fused mask, quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.errors import InputError
from boxseg.mask_overlap import mask_iou
from boxseg.pseudo_labels import PseudoMasks, TeacherPredictions
from boxseg.quality_aware import QualityAwareModule, WeightedFusion, fuse_masks
from boxseg.teacher_frame import objects_in_view, true_masks_in_frame
from experiments.reporting.anatomy.trained import TrainedTeacher


@dataclass(frozen=True)
class Candidate:
    """One of an object's candidates.

    Attributes:
        probabilities: float32 (h, w), its mask, in [0, 1].
        box: XYXY in pixels of the image.
        box_iou: u, with the object's box, in [0, 1].
        score: s, in [0, 1].
        weight: w in the fused mask, in [0, 1]; the candidates' sum to 1.
        class_name: that it was predicted as.
    """

    probabilities: np.ndarray
    box: tuple[float, float, float, float]
    box_iou: float
    score: float
    weight: float
    class_name: str


@dataclass(frozen=True)
class QualityAnatomy:
    """What the module makes of one object; masks (h, w) are at the teacher's stride.

    Attributes:
        image: uint8 (H, W, 3), RGB, as the teacher sees it.
        box: of the object, XYXY in pixels of the image.
        class_name: of the object.
        candidates: those that have a say, best box first.
        asked: K, how many were asked for, by the object's area; fewer may have a score above tau.
        fused: float32 (h, w), the weighted mean of their masks, in [0, 1].
        pseudo_mask: bool (h, w), the fused mask binarised inside the box.
        quality: of the pseudo mask, in [0, 1].
        true_mask: bool (h, w), or None where it is not known.
        true_iou: of the pseudo mask with it, in [0, 1], or None.
    """

    image: np.ndarray
    box: tuple[float, float, float, float]
    class_name: str
    candidates: tuple[Candidate, ...]
    asked: int
    fused: np.ndarray
    pseudo_mask: np.ndarray
    quality: float
    true_mask: np.ndarray | None
    true_iou: float | None

    @property
    def places(self) -> int:
        """How many of the network's cells the candidates come from.

        A cell predicts one box and one mask whatever the class, so candidates of several classes
        at one cell are one mask several times.
        """
        return len({one.box for one in self.candidates})

    @property
    def summary(self) -> dict[str, str | int | float | None]:
        """The object's class, counts of its candidates, quality, and true IoU."""
        return {
            "class_name": self.class_name,
            "asked": self.asked,
            "used": len(self.candidates),
            "places": self.places,
            "quality": self.quality,
            "true_iou": self.true_iou,
        }


@torch.no_grad()
def quality_anatomy(trained: TrainedTeacher, place: int, number: int = 0) -> QualityAnatomy:
    """Look into the module while it labels one object of a training image.

    Args:
        trained: whose pseudo labeller is a `QualityAwareModule` with the paper's weighted fusion.
        place: of the image among the records, from 0.
        number: of the object in its image, from 0.

    Raises:
        InputError: the labeller is another, or there is no such image or object.
    """
    labeller = trained.model.pseudo_labeller
    if not isinstance(labeller, QualityAwareModule) or not isinstance(
        labeller.fusion, WeightedFusion
    ):
        raise InputError(
            "the run's pseudo masks are not made by the quality-aware module with its weighted "
            "fusion; give a run with pseudo_labels=qam."
        )
    [x] = trained.inputs([place])
    predictions, [frame] = trained.proposed([x])
    objects = objects_in_view(x["instances"], x["student_view"], frame)
    if not 0 <= number < len(objects):
        raise InputError(
            f"training image {place} has no object {number}; choose from 0 to {len(objects) - 1}."
        )
    truth = None
    if trained.has_masks:
        start, stride = predictions.mask_stride // 2, predictions.mask_stride
        fine = true_masks_in_frame(x, frame, x["student_view"])[number]
        truth = fine[start::stride, start::stride]
    one = objects[number : number + 1]
    labels = labeller(predictions, [one])
    names = trained.names
    return QualityAnatomy(
        image=trained.rgb(x["teacher_image"]),
        box=_corners(_boxes(one)[0]),
        class_name=names[int(one.gt_classes[0])],
        candidates=_candidates(labeller, labeller.fusion, predictions, one, names),
        asked=_asked(labeller, predictions, one),
        fused=labels.probabilities[0].float().numpy(),
        pseudo_mask=labels.masks[0].numpy(),
        quality=float(labels.quality[0]),
        true_mask=None if truth is None else _covering(truth, labels).numpy(),
        true_iou=None if truth is None else _iou(labels, truth),
    )


def _candidates(
    labeller: QualityAwareModule,
    fusion: WeightedFusion,
    predictions: TeacherPredictions,
    one: Instances,
    names: Sequence[str],
) -> tuple[Candidate, ...]:
    ranked = labeller.rank(predictions, [one])
    used = ranked.valid[0]
    indices = ranked.indices[0, used]
    masks = predictions.masks_of(indices, [len(indices)]).float()
    scores, ious = ranked.box_scores[0, used].float(), ranked.box_ious[0, used].float()
    everyone = torch.ones(1, len(indices), dtype=torch.bool)
    _, weights = fuse_masks(masks[None], scores[None], ious[None], everyone, fusion.score_threshold)
    return tuple(
        Candidate(
            probabilities=mask.numpy(),
            box=_corners(predictions.boxes[index]),
            box_iou=float(iou),
            score=float(score),
            weight=float(weight),
            class_name=names[int(predictions.classes[index])],
        )
        for index, mask, iou, score, weight in zip(
            indices.tolist(), masks, ious, scores, weights[0], strict=True
        )
    )


def _asked(labeller: QualityAwareModule, predictions: TeacherPredictions, one: Instances) -> int:
    sides = (_boxes(one)[:, 2:] - _boxes(one)[:, :2]).float() * predictions.original_scales[0]
    return int(labeller.candidate_count(sides.prod(dim=1))[0])


def _covering(truth: Tensor, labels: PseudoMasks) -> Tensor:
    """The true mask on the grid of the pseudo masks, which padding may make larger."""
    height, width = labels.masks.shape[1:]
    grid = truth.new_zeros((height, width))
    grid[: truth.shape[0], : truth.shape[1]] = truth[:height, :width]
    return grid


def _iou(labels: PseudoMasks, truth: Tensor) -> float:
    return float(mask_iou(labels.masks, _covering(truth, labels)[None])[0])


def _boxes(objects: Instances) -> Tensor:
    boxes: Boxes = objects.gt_boxes
    return boxes.tensor


def _corners(box: Tensor) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = box.tolist()
    return x0, y0, x1, y1
