"""What a loss on masks is given and gives, the base class of all of them, and the Dice term."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
import torch.nn.functional as F
from detectron2.structures import Instances
from torch import Tensor, nn

from boxseg.box_masks import box_masks
from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError
from boxseg.pseudo_labels import CentralPredictions
from boxseg.ragged import image_index


@dataclass(frozen=True)
class PseudoTargets:
    """What the pseudo masks of a batch's N objects ask for.

    Attributes:
        masks: bool (N, h, w), cut to the boxes.
        boxes: bool (N, h, w), the boxes' masks.
        quality: float32 (N,), in [0, 1], that an object's mask weighs with.
        valid: bool (N,), the object has a pseudo mask.
        pasted: bool (N,), the object was copied from another image.
        unsure: bool (N, h, w), pixels that teach nothing; none of the masks'. Or None.
    """

    masks: Tensor
    boxes: Tensor
    quality: Tensor
    valid: Tensor
    pasted: Tensor
    unsure: Tensor | None = None

    @staticmethod
    def of(
        samples: Sequence[TrainingSample], stride: int, size: tuple[int, int], device: torch.device
    ) -> PseudoTargets:
        """Targets of a batch on the grid of its predicted masks.

        A cell takes the pixel at stride // 2 + stride * index; outside an image it is background.

        Args:
            samples: the images of the batch, in their own pixels.
            stride: of the masks, in pixels.
            size: height and width of the predicted masks.
            device: of the targets.
        """
        start = stride // 2

        def cells(masks: Tensor) -> Tensor:
            sampled = masks[:, start::stride, start::stride]
            bottom, right = size[0] - sampled.shape[1], size[1] - sampled.shape[2]
            return F.pad(sampled, (0, right, 0, bottom)).to(device)

        inside = box_masks(torch.cat([s.boxes for s in samples]).to(device), stride, *size)
        unsure = None
        if any(s.unsure is not None for s in samples):
            parts = [torch.zeros_like(s.masks) if s.unsure is None else s.unsure for s in samples]
            unsure = torch.cat([cells(part) for part in parts]) & inside
        return PseudoTargets(
            masks=torch.cat([cells(s.masks) for s in samples]) & inside,
            boxes=inside,
            quality=torch.cat([s.quality for s in samples]).to(device).float(),
            valid=torch.cat([s.valid for s in samples]).to(device),
            pasted=torch.cat([s.pasted for s in samples]).to(device),
            unsure=unsure,
        )


@dataclass(frozen=True)
class MaskPredictions:
    """Predicted masks of a batch's positives, and what they are compared with.

    A positive is whatever a host predicts a mask of for an object: a cell, or a matched query. A
    host with several decoder layers gives the matched queries of all of them, one layer after the
    other; nothing here asks in which order positives come or how many an object has.

    Attributes:
        logits: float32 (P, h, w) at `stride`.
        object_index: int64 (P,), into the objects of all images one after the other.
        objects: per image, Instances with `gt_boxes`, `gt_classes` and, where they were loaded,
            `gt_masks`.
        images: (B, 3, H, W), the network's input images before normalisation, 0-255, zero-padded
            to one size.
        image_sizes: per image, (height, width) without padding.
        original_heights: per image, in pixels, before resizing.
        stride: of the masks, in pixels.
        iteration: of the training, 1 for the first.
        mask_features: (B, D, h', w'), what the student makes masks of, over the area of `images`,
            with gradient and in the network's precision; None for a host that has none.
        teacher_features: (B, D, h', w'), a teacher's mask features of the same images, without
            gradient; None without a teacher, or where no term asks for them.
        teacher_probabilities: float32 (P, h, w), a teacher's masks at the same positives, without
            gradient; None without a teacher, or where no term asks for them.
        central: one prediction for every object, computed when asked for; None of a host that does
            not declare it (`Segmenter.gives_central_predictions`).
        teacher_central: the same of a teacher, without gradient; None without one, or where no term
            asks for its masks.
        pseudo: what the teacher's pseudo masks ask for, made once a step for all terms; None
            without a teacher.
    """

    logits: Tensor
    object_index: Tensor
    objects: Sequence[Instances]
    images: Tensor
    image_sizes: Sequence[tuple[int, int]]
    original_heights: Sequence[int]
    stride: int
    iteration: int
    mask_features: Tensor | None = None
    teacher_features: Tensor | None = None
    teacher_probabilities: Tensor | None = None
    central: Callable[[], CentralPredictions] | None = None
    teacher_central: Callable[[], CentralPredictions] | None = None
    pseudo: PseudoTargets | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the predicted masks."""
        return self.logits.shape[1], self.logits.shape[2]

    @cached_property
    def image_index(self) -> Tensor:
        """The image of every object: int64 (N,)."""
        return image_index([len(of_image) for of_image in self.objects], self.logits.device)

    @property
    def pseudo_targets(self) -> PseudoTargets:
        """The pseudo masks' targets, for a term that cannot do without.

        Raises:
            InputError: there is no teacher that makes any.
        """
        if self.pseudo is None:
            raise InputError(
                "a loss on pseudo masks needs a teacher that makes them, but the training objects "
                "carry none; give the method a pseudo labeller or drop the loss."
            )
        return self.pseudo


@dataclass(frozen=True)
class LossTerms:
    """What a loss gives.

    Attributes:
        losses: scalars to be summed, weights and warm-up applied.
        diagnostics: scalars to be logged and never summed.
    """

    losses: dict[str, Tensor]
    diagnostics: dict[str, Tensor]

    @staticmethod
    def joined(parts: Mapping[str, LossTerms]) -> LossTerms:
        """The terms of several losses, in their order.

        Args:
            parts: by the name of whatever gave them.

        Raises:
            InputError: two of them give a term of one name, of which one would be lost.
        """
        losses: dict[str, Tensor] = {}
        diagnostics: dict[str, Tensor] = {}
        giver: dict[str, str] = {}
        for name, terms in parts.items():
            for term in (*terms.losses, *terms.diagnostics):
                if term in giver:
                    raise InputError(
                        f"{giver[term]} and {name} both give a term called {term}, of which one "
                        "would be lost; leave one of the two out, or rename its term."
                    )
            giver |= dict.fromkeys((*terms.losses, *terms.diagnostics), name)
            losses |= terms.losses
            diagnostics |= terms.diagnostics
        return LossTerms(losses, diagnostics)


class MaskLoss(nn.Module, ABC):
    """A term of the mask loss, or several.

    It is a module of the segmenter it is given to: parameters of its own are trained with the
    network's, averaged into the teacher and kept in the checkpoint.

    What it needs is declared, so that it can be read from the class before anything is built:

    Attributes:
        needs_true_masks: the objects' `gt_masks`, so that the data must be loaded with masks; such
            a term makes a method mask-supervised.
        needs_pseudo_masks: `MaskPredictions.pseudo`, so that there must be a teacher.
        needs_mask_features: the student's `MaskPredictions.mask_features`; the host must give them
            (`Segmenter.gives_mask_features`).
        needs_teacher_features: `MaskPredictions.teacher_features`; there must be a teacher, and the
            host must give them (`Segmenter.gives_mask_features`).
        uses_teacher_masks: `MaskPredictions.teacher_probabilities`, where there is a teacher; the
            host must then give them (`Segmenter.gives_object_predictions`).
        needs_central_predictions: `MaskPredictions.central`; the host must give them
            (`Segmenter.gives_central_predictions`).
    """

    needs_true_masks: ClassVar[bool] = False
    needs_pseudo_masks: ClassVar[bool] = False
    needs_mask_features: ClassVar[bool] = False
    needs_teacher_features: ClassVar[bool] = False
    uses_teacher_masks: ClassVar[bool] = False
    needs_central_predictions: ClassVar[bool] = False

    @abstractmethod
    def forward(self, predictions: MaskPredictions) -> LossTerms:
        """The terms of a batch."""


def dice_loss(probabilities: Tensor, targets: Tensor) -> Tensor:
    """1 - 2 |x t| / (|x|^2 + |t|^2 + 1e-5), per row.

    Args:
        probabilities, targets: (P, ...), in [0, 1].

    Returns:
        (P,), in [0, 1].
    """
    x, t = probabilities.flatten(1), targets.flatten(1)
    return 1 - 2 * (x * t).sum(dim=1) / ((x * x).sum(dim=1) + (t * t).sum(dim=1) + 1e-5)
