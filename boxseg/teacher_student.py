"""One training step of a student taught by the moving average of itself.

The teacher sees the unperturbed image and proposes; a pseudo labeller makes pseudo masks of what it
proposes; a copy-paste may put objects of other images into the student's; the student sees the
augmented image. The step knows labellers and copy-pastes by their protocols only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from boxseg.aligned_upsample import aligned_upsample
from boxseg.box_masks import box_profiles
from boxseg.color_augmentation import StrongColors
from boxseg.copy_paste import CopyPaste, TrainingSample
from boxseg.ema import MovingAverage, ema_momentum, update_ema
from boxseg.errors import InputError
from boxseg.mask_losses import LossTerms
from boxseg.pseudo_labels import (
    PseudoLabeller,
    PseudoMasks,
    RememberingLabeller,
    TeacherPredictions,
)
from boxseg.pseudo_statistics import PseudoStatistics
from boxseg.segmenter import Segmenter
from boxseg.teacher_frame import OwnFrame, TeacherFrame
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
        max_momentum: greatest momentum of the teacher's moving average; with 0 the teacher is the
            student as it is before each step, so that a model labels for itself.
        inference: whose detections are given in evaluation mode.
        teacher_in_training_mode: let the teacher normalise by batch statistics, as the released
            code does, instead of by stored ones.
        teacher_frame: what the teacher is shown, and in whose pixels labels are made.
        moving_average: moves the teacher; the released code leaves buffers out
            (`boxseg.ema.update_ema_parameters`).
        teach_empty_masks: an object whose pseudo mask has no pixel inside its box is taught the
            empty mask, as in the released code, instead of none.
        compare_unpasted_colors: let the mask losses compare the colours of the image before the
            paste, as the released code does, instead of those the student sees.
    """

    def __init__(
        self,
        student: Segmenter,
        pseudo_labeller: PseudoLabeller,
        copy_paste: CopyPaste | None = None,
        colors: StrongColors | None = None,
        max_momentum: float = 0.999,
        inference: Literal["teacher", "student"] = "teacher",
        teacher_in_training_mode: bool = False,
        teacher_frame: TeacherFrame | None = None,
        moving_average: MovingAverage = update_ema,
        teach_empty_masks: bool = False,
        compare_unpasted_colors: bool = False,
    ) -> None:
        super().__init__()
        if inference not in ("teacher", "student"):
            raise InputError(f"inference is {inference!r}; set it to teacher or student.")
        self.student = student
        self.teacher = copy.deepcopy(student).requires_grad_(False)
        self.pseudo_labeller = pseudo_labeller
        self.copy_paste = copy_paste
        self.colors = colors
        self.max_momentum = max_momentum
        self.inference = inference
        self.teacher_in_training_mode = teacher_in_training_mode
        self.teacher_frame = teacher_frame or OwnFrame()
        self.moving_average = moving_average
        self.teach_empty_masks = teach_empty_masks
        self.compare_unpasted_colors = compare_unpasted_colors

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
        """Move the teacher towards the student; iterations count from 1.

        At the first it becomes a copy of the student, buffers included, whatever moves it later:
        the student may have been given other weights since the two were made.
        """
        move = self.moving_average if iteration > 1 else update_ema
        move(self.teacher, self.student, ema_momentum(iteration - 1, self.max_momentum))
        if hasattr(self.pseudo_labeller, "synchronise"):
            self.pseudo_labeller.synchronise()

    @property
    def remembering_labeller(self) -> RememberingLabeller | None:
        """The pseudo labeller if it remembers something that is not in a module's state anyway."""
        labeller = self.pseudo_labeller
        if isinstance(labeller, RememberingLabeller) and not isinstance(labeller, nn.Module):
            return labeller
        return None

    def get_extra_state(self) -> dict[str, Any]:
        """What copy-paste and pseudo labeller remember, generators included, for the checkpoint."""
        state = {} if self.copy_paste is None else self.copy_paste.state_dict()
        if self.remembering_labeller is not None:
            state["pseudo_labeller"] = self.remembering_labeller.state_dict()
        return state

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_extra_state` gave."""
        if self.copy_paste is not None:
            self.copy_paste.load_state_dict(state)
        if self.remembering_labeller is not None and "pseudo_labeller" in state:
            self.remembering_labeller.load_state_dict(state["pseudo_labeller"])

    def forward(self, batch: Sequence[Mapping[str, Any]], iteration: int | None = None) -> Any:
        """Losses of the student in training mode, detections in evaluation mode."""
        if not self.training:
            return (self.teacher if self.inference == "teacher" else self.student).detect(batch)
        if iteration is None:
            raise ValueError("training needs the iteration")
        statistics = PseudoStatistics()
        with torch.no_grad():
            proposed = self.teacher_frame(self.teacher, batch)
        labelled = self.labelled_samples(batch, proposed, statistics)
        samples = labelled
        if self.copy_paste is not None:
            samples, pasted = self.copy_paste(labelled, iteration)
            statistics.add_copy_paste(pasted)
        stride = self.student.mask_stride
        inputs = [
            self.student_input(x, sample, stride) for x, sample in zip(batch, samples, strict=True)
        ]
        if self.student.needs_teacher_features:
            same = [new is old for new, old in zip(samples, labelled, strict=True)]
            features = self.teacher_features(batch, proposed, samples, same)
            for item, maps in zip(inputs, features, strict=True):
                item["teacher_features"] = maps
        terms = self.student.losses(inputs, iteration)
        return LossTerms(terms.losses, {**terms.diagnostics, **statistics.as_tensors(self.device)})

    @torch.no_grad()
    def teacher_features(
        self,
        batch: Sequence[Mapping[str, Any]],
        proposed: Sequence[tuple[TeacherPredictions, View]],
        samples: Sequence[TrainingSample],
        same: Sequence[bool],
    ) -> list[Tensor]:
        """The teacher's mask features of the student's images, before colours are augmented.

        Those of the predictions serve where the teacher was shown the same picture.

        Args:
            batch: the input of `forward`.
            proposed: the teacher's predictions and their frames.
            samples: the images that the student is given.
            same: per image, nothing was pasted.
        """
        views = [frame == x["student_view"] for x, (_, frame) in zip(batch, proposed, strict=True)]
        known = [
            predicted.mask_features if alike and unchanged else None
            for (predicted, _), alike, unchanged in zip(proposed, views, same, strict=True)
        ]
        images = [s.image for s, maps in zip(samples, known, strict=True) if maps is None]
        computed = iter(self.teacher.teacher_features(images) if images else [])
        return [next(computed) if maps is None else maps for maps in known]

    @torch.no_grad()
    def labelled_samples(
        self,
        batch: Sequence[Mapping[str, Any]],
        proposed: Sequence[tuple[TeacherPredictions, View]],
        statistics: PseudoStatistics,
    ) -> list[TrainingSample]:
        """The student's images with pseudo masks in their own pixels."""
        samples = []
        framed = [
            objects_in_view(x["instances"].to(self.device), x["student_view"], frame)
            for x, (_, frame) in zip(batch, proposed, strict=True)
        ]
        predictions = [predicted for predicted, _ in proposed]
        if getattr(self.pseudo_labeller, "needs_object_predictions", False):
            predictions = with_object_predictions(predictions, framed)
        frames = [frame for _, frame in proposed]
        for x, predicted, frame, in_frame in zip(batch, predictions, frames, framed, strict=True):
            student_view: View = x["student_view"]
            boxes = x["instances"].gt_boxes.tensor.to(self.device)
            if getattr(self.pseudo_labeller, "needs_true_masks", False):
                in_frame.true_masks = true_masks_in_frame(x, frame, student_view).to(self.device)
            labels = self.pseudo_labeller(predicted, in_frame)
            masks, unsure = labels_in_view(
                labels, boxes, predicted.mask_stride, frame, student_view
            )
            valid = labels.valid
            if not self.teach_empty_masks:
                valid = valid & masks.flatten(1).any(dim=1)
            statistics.add_labels(labels, masks, valid, x.get("diagnostic_masks"))
            samples.append(
                TrainingSample(
                    image=x["image"].to(self.device),
                    boxes=boxes,
                    classes=in_frame.gt_classes,
                    masks=masks & valid[:, None, None],
                    quality=labels.quality * valid,
                    scores=labels.scores * valid,
                    valid=valid,
                    pasted=torch.zeros_like(valid),
                    unsure=unsure,
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
        weighs = not getattr(self.pseudo_labeller, "equal_weights", False)
        objects.pseudo_quality = sample.quality if weighs else sample.valid.float()
        objects.pseudo_valid = sample.valid
        objects.pseudo_pasted = sample.pasted
        if sample.unsure is not None:
            objects.pseudo_unsure = sample.unsure[:, start::stride, start::stride]
        image = sample.image
        if self.colors is not None:
            image = self.colors(image, x["color_seed"])
        return {
            "image": image,
            "unperturbed_image": x["image"] if self.compare_unpasted_colors else sample.image,
            "height": x["height"],
            "width": x["width"],
            "instances": objects,
        }


def objects_in_view(objects: Instances, source: View, target: View) -> Instances:
    """Boxes and classes of objects of the source view, in the pixels of the target view."""
    there = Instances((target.height, target.width))
    there.gt_boxes = Boxes(boxes_between(objects.gt_boxes.tensor, source, target))
    there.gt_classes = objects.gt_classes
    return there


def with_object_predictions(
    predictions: Sequence[TeacherPredictions], objects: Sequence[Instances]
) -> list[TeacherPredictions]:
    """A batch's predictions with what is predicted at its objects' cells, where there is that."""
    of_batch = predictions[0].of_batch
    if of_batch is None:
        return list(predictions)
    found = of_batch(objects)
    return [replace(p, at_objects=own) for p, own in zip(predictions, found, strict=True)]


def labels_in_view(
    labels: PseudoMasks, boxes: Tensor, stride: int, source: View, target: View
) -> tuple[Tensor, Tensor | None]:
    """Pseudo masks binarised inside their boxes, and the pixels that are unsure, if any are.

    Both are bool (N, height, width) of the target view.

    Args:
        labels: probabilities at the stride.
        boxes: (N, 4), XYXY in pixels of the target view.
        stride: of the probabilities, in pixels of the source view.
        source, target: the frame of the labels and the student's view.
    """
    fine = aligned_upsample(labels.probabilities[:, None].float(), stride)[:, 0]
    fine = fine[:, : source.height, : source.width]
    rows, columns = box_profiles(boxes, 1, target.height, target.width)
    inside = rows[:, :, None] & columns[:, None]
    maps = maps_between(fine, source, target)
    threshold = torch.as_tensor(labels.threshold, device=maps.device).reshape(-1, 1, 1)
    masks = (maps > threshold) & inside
    if labels.background_threshold is None:
        return masks, None
    return masks, (maps >= labels.background_threshold) & inside & ~masks


def true_masks_in_frame(x: Mapping[str, Any], frame: View, student_view: View) -> Tensor:
    """The true masks in the pixels of the labels' frame, for the oracle: bool (N, H, W).

    Raises:
        InputError: the data carry no true masks.
    """
    truth = x.get("diagnostic_masks")
    if truth is None:
        raise InputError(
            "the oracle needs the true masks of the training data; set dataset.diagnose=true on "
            "data that have them."
        )
    return maps_between(truth.float(), student_view, frame) > 0.5
