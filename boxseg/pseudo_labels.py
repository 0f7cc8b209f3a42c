"""What a pseudo labeller is given and what it gives, for the images of a batch.

A teacher-student step knows these types and no method by name; a pseudo labeller knows these types
and no detector. Predictions, and objects, of several images come one image's after the other's.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from detectron2.structures import Instances
from torch import Tensor, nn

from boxseg.ragged import image_index


@dataclass(frozen=True)
class ObjectPredictions:
    """What the teacher predicts for objects, at the places its training assigns them.

    Attributes:
        probabilities: (P, H, W) masks, at the teacher's mask stride.
        scores: (P,), in [0, 1].
        object_index: int64 (P,), into the objects of all images; an object may have none.
    """

    probabilities: Tensor
    scores: Tensor
    object_index: Tensor


@dataclass(frozen=True)
class CentralPredictions:
    """What a network predicts for each object of a batch, at the one place that is most its own.

    Attributes:
        logits: float32 (N, h, w), one mask for each of all images' objects, in their order.
        order: int64 (N,), the objects as the network's levels have them, finest level first and
            within a level image by image.
        features: (B, C, h', w'), of the pyramid's finest level, over the area of the images.
        feature_stride: of them, in pixels.
    """

    logits: Tensor
    order: Tensor
    features: Tensor
    feature_stride: int


@dataclass(frozen=True)
class TeacherInternals:
    """What a teacher has besides its predictions, on the grid of its images padded to one size.

    Attributes:
        mask_features: (B, D, h, w), what the masks are made of, over the area of the masks.
        at_objects: from the images' objects, with `gt_boxes` and `gt_classes` in their frames, to
            what is predicted for them.
        at_positives: from positives of a network of the same kind, as that host has them, and a
            stride in pixels to the masks predicted in the same places, probabilities (P, h, w).
        central: from the images' objects to one prediction for each; None of a host that does not
            declare it (`Segmenter.gives_central_predictions`).
    """

    mask_features: Tensor
    at_objects: Callable[[Sequence[Instances]], ObjectPredictions]
    at_positives: Callable[[Any, int], Tensor]
    central: Callable[[Sequence[Instances]], CentralPredictions] | None = None


@dataclass(frozen=True)
class TeacherPredictions:
    """What the teacher predicts on B images, before non-maximum suppression.

    The frame of an image is the coordinate system of its objects: pixels of the image that
    `gt_boxes` refer to.

    Attributes:
        boxes: (M, 4), XYXY in pixels of their image's frame.
        scores: (M,), in [0, 1].
        classes: int64 (M,).
        counts: per image, how many of the M are its own.
        image_sizes: per image, (height, width) of the frame, in pixels.
        original_scales: per image, pixels of the original image per pixel of the frame, along a
            side.
        mask_stride: of the masks, in pixels of the frame; row i of a mask stands for the pixel row
            mask_stride // 2 + mask_stride * i, and columns likewise.
        masks_of: masks of some predictions: from int64 (n,) indices into the M, one image's after
            the other's, and how many of them are each image's, to probabilities (n, H, W) at
            `mask_stride`; H and W are the same in every call and for all images, also for n = 0.
            Masks are costly, so a labeller asks only for those it needs, a bounded number at a
            time.
        suppressed: the predictions that survive class-wise non-maximum suppression: per image,
            int64 (n,) indices into the M, best score first.
        internals: what a few labellers need besides; None of a host that does not declare it
            (`Segmenter.gives_object_predictions`), and in a frame that is not the teacher's own
            image (`TeacherFrame.keeps_grid`).
        distinct: no two are of one predicted box and mask, though boxes may be equal, as of a
            decoder whose layers each predict an object's. Of a detector that scores a box for
            several classes it is False: its predictions with equal boxes are copies.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    counts: Sequence[int]
    image_sizes: Sequence[tuple[int, int]]
    original_scales: Sequence[float]
    mask_stride: int
    masks_of: Callable[[Tensor, Sequence[int]], Tensor]
    suppressed: Callable[[], Sequence[Tensor]]
    internals: TeacherInternals | None = None
    distinct: bool = False

    @property
    def device(self) -> torch.device:
        """Where the predictions are."""
        return self.boxes.device

    @property
    def mask_size(self) -> tuple[int, int]:
        """Height and width of the masks."""
        none = torch.zeros(0, dtype=torch.int64, device=self.device)
        height, width = self.masks_of(none, [0] * len(self.counts)).shape[1:]
        return height, width

    @property
    def image_index(self) -> Tensor:
        """The image of every prediction: int64 (M,)."""
        return image_index(self.counts, self.device)


@dataclass(frozen=True)
class PseudoMasks:
    """Pseudo masks of N objects, in their order.

    Attributes:
        probabilities: (N, H, W) at the teacher's mask stride, not cut to the boxes, so that they
            can be resampled; 0 where not valid.
        threshold: foreground are the pixels above it; one for all objects, or (N,).
        masks: bool (N, H, W), the foreground inside the objects' boxes.
        quality: (N,), in [0, 1]; 0 where not valid.
        scores: (N,), mean score of the predictions each pseudo mask was made of, in [0, 1]; 0 where
            there were none. Predictions that agree on no pixel leave a score but no pseudo mask.
        valid: bool (N,), the object has a pseudo mask.
        candidates: int64 (N,), how many predictions each pseudo mask was made of.
        agreement: (N,), mean IoU of the pairs of predictions that each pseudo mask was made of, in
            [0, 1]; NaN of fewer than two, and in training. None from a labeller that takes one.
        background_threshold: background are the pixels below it; those between it and the
            `threshold` are unsure. None if all that is not foreground is background.
    """

    probabilities: Tensor
    threshold: float | Tensor
    masks: Tensor
    quality: Tensor
    scores: Tensor
    valid: Tensor
    candidates: Tensor
    agreement: Tensor | None = None
    background_threshold: float | None = None

    def of_images(self, counts: Sequence[int]) -> list[PseudoMasks]:
        """Those of each image, of which so many objects are."""
        ends = list(itertools.accumulate(counts, initial=0))
        return [self[start:end] for start, end in itertools.pairwise(ends)]

    def __getitem__(self, objects: slice) -> PseudoMasks:
        """Those of some objects."""
        threshold = self.threshold
        if isinstance(threshold, Tensor):
            threshold = threshold[objects]
        return PseudoMasks(
            probabilities=self.probabilities[objects],
            threshold=threshold,
            masks=self.masks[objects],
            quality=self.quality[objects],
            scores=self.scores[objects],
            valid=self.valid[objects],
            candidates=self.candidates[objects],
            agreement=None if self.agreement is None else self.agreement[objects],
            background_threshold=self.background_threshold,
        )


def boxes_of(objects: Sequence[Instances], device: torch.device) -> Tensor:
    """The boxes of all images' objects: float32 (N, 4), XYXY in pixels of their image's frame."""
    return torch.cat([o.gt_boxes.tensor for o in objects]).to(device, torch.float32)


def classes_of(objects: Sequence[Instances], device: torch.device) -> Tensor:
    """The classes of all images' objects: int64 (N,)."""
    return torch.cat([o.gt_classes for o in objects]).to(device)


class PseudoLabeller(nn.Module, ABC):
    """Makes pseudo masks for the objects of a batch's images, without gradient.

    It is a module of the teacher-student step: its parameters and buffers are in the checkpoint,
    and a memory or a random generator besides is what its `get_extra_state` gives.

    What it needs is declared, so that it can be read from the class before anything is built:

    Attributes:
        needs_true_masks: the objects' `true_masks`, bool (n, H, W) in pixels of the frame, so that
            the data must be loaded with masks for diagnosis.
        needs_object_predictions: `TeacherInternals.at_objects`; the host must give them
            (`Segmenter.gives_object_predictions`), in a frame that keeps the teacher's grid.
        needs_mask_features: `TeacherInternals.mask_features`; the host must give them
            (`Segmenter.gives_mask_features`), in a frame that keeps the teacher's grid.
        equal_weights: its masks weigh alike in losses whatever their quality, which then only
            ranks them.
    """

    needs_true_masks: ClassVar[bool] = False
    needs_object_predictions: ClassVar[bool] = False
    needs_mask_features: ClassVar[bool] = False
    equal_weights: ClassVar[bool] = False

    @abstractmethod
    def forward(self, predictions: TeacherPredictions, objects: Sequence[Instances]) -> PseudoMasks:
        """Label the images of a batch.

        Args:
            predictions: of the teacher.
            objects: per image, with `gt_boxes` and `gt_classes` in the frame of the predictions.

        Returns:
            Pseudo masks of all images' objects, one image's after the other's.
        """

    def synchronise(self) -> None:
        """Make what several processes have learned the same, before every step."""


class NoPseudoMasks(PseudoLabeller):
    """Labels nothing: for methods whose losses make what they need of the teacher themselves."""

    def forward(self, predictions: TeacherPredictions, objects: Sequence[Instances]) -> PseudoMasks:
        number, device = sum(map(len, objects)), predictions.device
        none = torch.zeros(number, *predictions.mask_size, device=device)
        nothing = none.new_zeros(number)
        return PseudoMasks(
            probabilities=none,
            threshold=0.5,
            masks=none > 0,
            quality=nothing,
            scores=nothing,
            valid=nothing > 0,
            candidates=nothing.long(),
        )
