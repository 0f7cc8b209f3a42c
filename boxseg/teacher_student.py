"""One training step of a student taught by the moving average of itself.

The teacher sees the unperturbed image and proposes; a pseudo labeller makes pseudo masks of what it
proposes; a copy-paste may put objects of other images into the student's; the student sees the
augmented image. The step knows labellers and copy-pastes by their protocols only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from boxseg.box_supervision import box_profiles
from boxseg.color_augmentation import StrongColors
from boxseg.condinst import CondInst
from boxseg.condinst.aligned_upsample import aligned_upsample
from boxseg.condinst.mask_losses import LossTerms
from boxseg.condinst.teacher import teacher_predictions
from boxseg.copy_paste import CopyPaste, TrainingSample
from boxseg.ema import ema_momentum, update_ema
from boxseg.errors import InputError
from boxseg.pseudo_labels import PseudoLabeller, PseudoMasks
from boxseg.pseudo_statistics import PseudoStatistics
from boxseg.views import View, boxes_between, maps_between


class TeacherStudent(nn.Module):
    """A student segmenter, its teacher, and the step that trains them.

    Training input is what `boxseg.data.mapper.TeacherStudentMapper` gives: besides the student's
    `image` and `instances`, a `teacher_image` and the two `View`s.

    Args:
        student: the segmenter; its mask losses read the pseudo masks.
        pseudo_labeller: makes pseudo masks of the teacher's predictions.
        copy_paste: puts objects into the student's images, or None.
        colors: the student's strong augmentation of colours, or None.
        max_momentum: greatest momentum of the teacher's moving average.
        teacher_in_training_mode: let the teacher normalise by batch statistics, as the released
            code does, instead of by stored ones.
    """

    def __init__(
        self,
        student: CondInst,
        pseudo_labeller: PseudoLabeller,
        copy_paste: CopyPaste | None = None,
        colors: StrongColors | None = None,
        max_momentum: float = 0.999,
        teacher_in_training_mode: bool = False,
    ) -> None:
        super().__init__()
        self.student = student
        self.teacher = copy.deepcopy(student).requires_grad_(False)
        self.pseudo_labeller = pseudo_labeller
        self.copy_paste = copy_paste
        self.colors = colors
        self.max_momentum = max_momentum
        self.teacher_in_training_mode = teacher_in_training_mode

    @property
    def device(self) -> torch.device:
        """Where the models' tensors live."""
        return self.student.device

    def train(self, mode: bool = True) -> TeacherStudent:
        """Training mode is the student's; the teacher's follows `teacher_in_training_mode`."""
        super().train(mode)
        self.teacher.train(mode and self.teacher_in_training_mode)
        return self

    def before_step(self, iteration: int) -> None:
        """Move the teacher towards the student; iterations count from 1."""
        update_ema(self.teacher, self.student, ema_momentum(iteration - 1, self.max_momentum))

    def get_extra_state(self) -> dict[str, Any]:
        """The copy-paste's memory and generator, for the checkpoint."""
        return {} if self.copy_paste is None else self.copy_paste.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_extra_state` gave."""
        if self.copy_paste is not None:
            self.copy_paste.load_state_dict(state)

    def forward(self, batch: Sequence[Mapping[str, Any]], iteration: int | None = None) -> Any:
        """Losses of the student in training mode, detections of the teacher in evaluation mode."""
        if not self.training:
            return self.teacher.detect(batch)
        if iteration is None:
            raise ValueError("training needs the iteration")
        statistics = PseudoStatistics()
        samples = self.labelled_samples(batch, statistics)
        if self.copy_paste is not None:
            samples, pasted = self.copy_paste(samples, iteration)
            statistics.add_copy_paste(pasted)
        stride = self.student.mask_head.mask_stride
        inputs = [
            self.student_input(x, sample, stride) for x, sample in zip(batch, samples, strict=True)
        ]
        terms = self.student.losses(inputs, iteration)
        return LossTerms(terms.losses, {**terms.diagnostics, **statistics.as_tensors(self.device)})

    @torch.no_grad()
    def labelled_samples(
        self, batch: Sequence[Mapping[str, Any]], statistics: PseudoStatistics
    ) -> list[TrainingSample]:
        """The student's images with pseudo masks in their own pixels."""
        predictions = teacher_predictions(
            self.teacher, [x["teacher_image"] for x in batch], [int(x["height"]) for x in batch]
        )
        samples = []
        for x, predicted in zip(batch, predictions, strict=True):
            teacher_view: View = x["teacher_view"]
            student_view: View = x["student_view"]
            objects = x["instances"].to(self.device)
            boxes = objects.gt_boxes.tensor
            in_teacher = Instances((teacher_view.height, teacher_view.width))
            in_teacher.gt_boxes = Boxes(boxes_between(boxes, student_view, teacher_view))
            in_teacher.gt_classes = objects.gt_classes
            if getattr(self.pseudo_labeller, "needs_true_masks", False):
                in_teacher.true_masks = true_masks_in_teacher(
                    x, predicted.mask_stride, teacher_view, student_view
                )
            labels = self.pseudo_labeller(predicted, in_teacher)
            masks = masks_in_view(labels, boxes, predicted.mask_stride, teacher_view, student_view)
            valid = labels.valid & masks.flatten(1).any(dim=1)
            statistics.add_labels(labels, masks, valid, x.get("diagnostic_masks"))
            samples.append(
                TrainingSample(
                    image=x["image"].to(self.device),
                    boxes=boxes,
                    classes=objects.gt_classes,
                    masks=masks & valid[:, None, None],
                    quality=labels.quality * valid,
                    scores=labels.scores * valid,
                    valid=valid,
                    pasted=torch.zeros_like(valid),
                )
            )
        return samples

    def student_input(
        self, x: Mapping[str, Any], sample: TrainingSample, stride: int
    ) -> dict[str, Any]:
        """The student's input: pasted, colours augmented, targets attached."""
        objects = Instances((sample.image.shape[1], sample.image.shape[2]))
        objects.gt_boxes = Boxes(sample.boxes)
        objects.gt_classes = sample.classes
        start = stride // 2
        objects.pseudo_masks = sample.masks[:, start::stride, start::stride]
        objects.pseudo_quality = sample.quality
        objects.pseudo_valid = sample.valid
        image = sample.image
        if self.colors is not None:
            image = self.colors(image, x["color_seed"])
        return {
            "image": image,
            "unperturbed_image": sample.image,
            "height": x["height"],
            "width": x["width"],
            "instances": objects,
        }


def masks_in_view(
    labels: PseudoMasks, boxes: Tensor, stride: int, source: View, target: View
) -> Tensor:
    """Pseudo masks binarised inside their boxes: bool (N, height, width) of the target view.

    Args:
        labels: probabilities at the teacher's mask stride.
        boxes: (N, 4), XYXY in pixels of the target view.
        stride: of the probabilities, in pixels of the source view.
        source, target: the teacher's and the student's view.
    """
    fine = aligned_upsample(labels.probabilities[:, None].float(), stride)[:, 0]
    fine = fine[:, : source.height, : source.width]
    rows, columns = box_profiles(boxes, 1, target.height, target.width)
    inside = rows[:, :, None] & columns[:, None]
    return (maps_between(fine, source, target) > labels.threshold) & inside


def true_masks_in_teacher(
    x: Mapping[str, Any], stride: int, teacher_view: View, student_view: View
) -> Tensor:
    """The true masks in the teacher's frame, for the oracle: bool (N, H, W) at the mask stride.

    Raises:
        InputError: the data carry no true masks.
    """
    truth = x.get("diagnostic_masks")
    if truth is None:
        raise InputError(
            "the oracle needs the true masks of the training data; set dataset.diagnose=true on "
            "data that have them."
        )
    fine = maps_between(truth.float(), student_view, teacher_view) > 0.5
    return fine[:, stride // 2 :: stride, stride // 2 :: stride]
