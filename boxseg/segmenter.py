"""What a training step asks of the network it trains: the interface of every host.

A teacher-student step knows this class and no detector. A host that offers it takes any pseudo
labeller and any copy-paste.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from detectron2.structures import Instances
from torch import Tensor, nn

from boxseg.errors import InputError
from boxseg.pseudo_labels import TeacherPredictions

if TYPE_CHECKING:
    from boxseg.mask_losses import LossTerms


class Segmenter(nn.Module, ABC):
    """A network that finds objects and their masks, and its training losses.

    Its losses on masks read whatever the objects carry: a teacher-student step attaches
    `pseudo_masks`, bool (N, h, w) at `mask_stride`, `pseudo_quality`, (N,) in [0, 1], and
    `pseudo_valid`, bool (N,); `boxseg.pseudo_mask_losses` has losses that read them.
    """

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the model's tensors live."""

    @property
    @abstractmethod
    def mask_stride(self) -> int:
        """Of the predicted masks, in pixels of the network's input."""

    @abstractmethod
    def losses(self, batch: Sequence[Mapping[str, Any]], iteration: int) -> LossTerms:
        """All training losses of a batch; the input is that of `forward`."""

    @abstractmethod
    def detect(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Instances]]:
        """Boxes and masks of a batch, at the original images' sizes; see `forward`."""

    @abstractmethod
    def proposals(
        self, images: Sequence[Tensor], original_heights: Sequence[int]
    ) -> list[TeacherPredictions]:
        """Everything the network predicts as a teacher, before suppression, per image.

        Args:
            images: (3, H, W), values 0-255; the frame of the predictions is the image's pixels.
            original_heights: of the original images, in pixels.
        """

    @property
    def needs_teacher_features(self) -> bool:
        """Whether `losses` compares a teacher's mask features, `teacher_features` of each image."""
        return False

    def teacher_features(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Mask features (D, h, w) of images (3, H, W), values 0-255, as a teacher; no gradient.

        Raises:
            InputError: the network has none to give.
        """
        raise InputError(
            f"a loss compares the teacher's mask features, and {type(self).__name__} gives none; "
            "choose losses without them."
        )

    def before_step(self, iteration: int) -> None:
        """Nothing to do before a training step; methods with a teacher update it here."""

    def forward(self, batch: Sequence[Mapping[str, Any]], iteration: int | None = None) -> Any:
        """Losses in training mode, detections in evaluation mode.

        Args:
            batch: per image, Detectron2's dict: `image` (3, H, W) 0-255, `height` and `width` of
                the original image, and for training `instances` with `gt_boxes`, `gt_classes` and
                whatever the mask losses read, and, where the colours of `image` were changed,
                `unperturbed_image`, whose colours are compared in the mask losses.
            iteration: of the training, 1 for the first; needed in training mode.

        Returns:
            In training, `LossTerms`. In evaluation, per image {"instances": Instances} with
            `pred_boxes`, `scores`, `pred_classes`, `pred_masks` (bool) at the original size.
        """
        if not self.training:
            return self.detect(batch)
        if iteration is None:
            raise ValueError("training needs the iteration")
        return self.losses(batch, iteration)
