"""What a training step asks of the network it trains: the interface of every host.

A teacher-student step knows this class and no detector. A host that offers it takes any pseudo
labeller, any copy-paste and any loss on masks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from detectron2.structures import Instances
from torch import Tensor, nn

from boxseg.errors import InputError
from boxseg.fine_tuning import FineTunable
from boxseg.mask_losses import LossTerms, MaskLoss, MaskPredictions, PseudoTargets
from boxseg.pseudo_labels import CentralPredictions, TeacherInternals, TeacherPredictions


class Segmenter(FineTunable, ABC):
    """A network that finds objects and their masks, and its training losses.

    It owns the terms of the mask loss. A host predicts masks of its positives, makes
    `mask_predictions` of them and adds `mask_terms` to its own losses.

    What a host gives is declared, so that it can be read from the class before anything
    is built; so are its `class_layers`, see `FineTunable`:

    Attributes:
        gives_mask_features: `mask_features`, in training those of the student to the losses, and
            those of a teacher.
        gives_object_predictions: as a teacher, its predictions have `TeacherInternals`.
        gives_central_predictions: one prediction for every object, in training those of the student
            to the losses, and those of a teacher.

    Args:
        mask_losses: terms of the mask loss, by a name of their own.

    Raises:
        InputError: a loss has a name that no module can have.
    """

    gives_mask_features: ClassVar[bool] = False
    gives_object_predictions: ClassVar[bool] = False
    gives_central_predictions: ClassVar[bool] = False

    def __init__(self, mask_losses: Mapping[str, MaskLoss]) -> None:
        super().__init__()
        try:
            self.mask_losses = nn.ModuleDict(dict(mask_losses))
        except KeyError as error:
            raise InputError(
                f"mask_losses has a loss whose name cannot be used ({error.args[0]}); rename it."
            ) from None

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
    ) -> TeacherPredictions:
        """Everything the network predicts as a teacher, before suppression.

        Args:
            images: (3, H, W), values 0-255; the frame of the predictions is the image's pixels.
            original_heights: of the original images, in pixels.
        """

    def mask_features(self, images: Sequence[Tensor]) -> list[Tensor]:
        """What masks are made of: (D, h, w) over each image (3, H, W), values 0-255; no gradient.

        All are padded to one size, as in a batch of these images.

        Raises:
            InputError: the network has none to give.
        """
        raise InputError(
            f"{type(self).__name__} gives no mask features; choose losses and pseudo labels that "
            "do without, or another segmenter."
        )

    def before_step(self, iteration: int) -> None:
        """Nothing to do before a training step; methods with a teacher update it here."""

    @property
    def losses_on_masks(self) -> list[MaskLoss]:
        """The losses on masks, in their order."""
        return [cast(MaskLoss, loss) for loss in self.mask_losses.values()]

    def mask_predictions(
        self,
        batch: Sequence[Mapping[str, Any]],
        iteration: int,
        *,
        logits: Tensor,
        object_index: Tensor,
        objects: Sequence[Instances],
        images: Tensor,
        image_sizes: Sequence[tuple[int, int]],
        mask_features: Tensor | None = None,
        stride: int | None = None,
        positives: Any = None,
        central: Callable[[], CentralPredictions] | None = None,
    ) -> MaskPredictions:
        """What the losses on masks are given: a host's masks, with what the batch brings along.

        Args:
            batch, iteration: of `losses`.
            logits, object_index, objects, images, image_sizes, mask_features: see
                `MaskPredictions`.
            stride: of the logits, where it is not the `mask_stride`.
            positives: as the host itself has them, for its teacher to predict masks in the same
                places; of hosts that declare `gives_object_predictions`.
            central: of hosts that declare `gives_central_predictions`.
        """
        stride = stride or self.mask_stride
        pseudo = teacher_features = teacher_probabilities = teacher_central = None
        if "sample" in batch[0]:
            size = (logits.shape[1], logits.shape[2])
            samples = [x["sample"] for x in batch]
            pseudo = PseudoTargets.of(samples, stride, size, logits.device)
        if "teacher_features" in batch[0] and mask_features is not None:
            teacher_features = _on_grid_of(mask_features, [x["teacher_features"] for x in batch])
        if "teacher" in batch[0]:
            teacher: TeacherInternals = batch[0]["teacher"]
            teacher_probabilities = teacher.at_positives(positives, stride)
            if teacher.central is not None:
                teacher_central = partial(teacher.central, objects)
        return MaskPredictions(
            logits=logits,
            object_index=object_index,
            objects=objects,
            images=images,
            image_sizes=image_sizes,
            original_heights=[int(x["height"]) for x in batch],
            stride=stride,
            iteration=iteration,
            mask_features=mask_features,
            teacher_features=teacher_features,
            teacher_probabilities=teacher_probabilities,
            central=central,
            teacher_central=teacher_central,
            pseudo=pseudo,
        )

    def mask_terms(self, predictions: MaskPredictions) -> LossTerms:
        """All terms of the mask loss.

        Raises:
            InputError: two losses give a term of one name.
        """
        return LossTerms.joined(
            {f"mask_losses.{name}": loss(predictions) for name, loss in self.mask_losses.items()}
        )

    def forward(self, batch: Sequence[Mapping[str, Any]], iteration: int | None = None) -> Any:
        """Losses in training mode, detections in evaluation mode.

        Args:
            batch: per image, Detectron2's dict: `image` (3, H, W) 0-255, `height` and `width` of
                the original image, and for training `instances` with `gt_boxes`, `gt_classes` and,
                for losses that need them, `gt_masks`; where the colours of `image` were changed,
                `unperturbed_image`, whose colours are compared in the mask losses; with a teacher
                `sample`, the `TrainingSample` of the same objects, and, for losses that need them,
                `teacher_features`, (D, h, w), or `teacher`, its `TeacherInternals`
                on the images of the batch.
            iteration: of the training, 1 for the first; needed in training mode.

        Returns:
            In training, `LossTerms`. In evaluation, per image {"instances": Instances} with
            `pred_boxes`, `scores`, `pred_classes` and `pred_masks` (`EncodedMasks`, see
            `boxseg.full_size_masks`) at the original size.
        """
        if not self.training:
            return self.detect(batch)
        if iteration is None:
            raise ValueError("training needs the iteration")
        return self.losses(batch, iteration)


def _on_grid_of(own: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """Maps (D, h', w') of B images cut or filled with zeros to the grid of the own (B, D, h, w)."""
    height, width = own.shape[-2:]
    padded = [F.pad(m, (0, width - m.shape[2], 0, height - m.shape[1])) for m in maps]
    return torch.stack(padded).to(own.device)
