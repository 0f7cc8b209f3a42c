"""One training step of a student taught by the moving average of itself.

The teacher sees the unperturbed image and proposes; a pseudo labeller makes pseudo masks of what it
proposes; a copy-paste may put objects of other images into the student's; the student sees the
augmented image. The step knows labellers, copy-pastes and losses by their base classes only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.color_augmentation import StrongColors
from boxseg.copy_paste import CopyPaste, TrainingSample
from boxseg.ema import MovingAverage, ema_momentum, update_ema
from boxseg.errors import InputError
from boxseg.fine_tuning import FineTunable
from boxseg.mask_losses import LossTerms
from boxseg.pseudo_labels import PseudoLabeller, TeacherInternals, TeacherPredictions
from boxseg.pseudo_statistics import PseudoStatistics
from boxseg.segmenter import Segmenter
from boxseg.teacher_frame import (
    FrameLabels,
    OwnFrame,
    TeacherFrame,
    labels_in_view,
    objects_in_view,
    true_masks_in_frame,
)
from boxseg.unmet_needs import refuse_unmet_needs
from boxseg.views import View


class TeacherStudent(FineTunable):
    """A student segmenter, its teacher, and the step that trains them.

    What it declares is explained in `Segmenter`. Training input is what
    `boxseg.data.mapper.TeacherStudentMapper` gives: besides the student's `image` and `instances`,
    a `teacher_image` and the two `View`s.

    Args:
        student: the segmenter; its mask losses read the pseudo masks.
        pseudo_labeller: makes pseudo masks of the teacher's predictions.
        copy_paste: puts objects into the student's images, or None.
        colors: the student's strong augmentation of colours, or None.
        max_momentum: greatest momentum of the teacher's moving average; with 0 the teacher is the
            student as it is before each step, so that a model labels for itself.
        start_iterations: over which the teacher is the student as it is before each step; the
            average begins with what the student is then.
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

    Raises:
        InputError: an unknown inference, or a part that needs what the others do not give.
    """

    def __init__(
        self,
        student: Segmenter,
        pseudo_labeller: PseudoLabeller,
        copy_paste: CopyPaste | None = None,
        colors: StrongColors | None = None,
        max_momentum: float = 0.999,
        start_iterations: int = 0,
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
        teacher_frame = teacher_frame or OwnFrame()
        refuse_unmet_needs(
            type(student),
            [type(loss) for loss in student.losses_on_masks],
            type(pseudo_labeller),
            type(teacher_frame),
        )
        self.student = student
        self.teacher = copy.deepcopy(student).requires_grad_(False)
        self.pseudo_labeller = pseudo_labeller
        self.copy_paste = copy_paste
        self.colors = colors
        self.max_momentum = max_momentum
        self.start_iterations = start_iterations
        self.inference = inference
        self.teacher_in_training_mode = teacher_in_training_mode
        self.teacher_frame = teacher_frame
        self.moving_average = moving_average
        self.teach_empty_masks = teach_empty_masks
        self.compare_unpasted_colors = compare_unpasted_colors

    @property
    def device(self) -> torch.device:
        """Where the models' tensors live."""
        return self.student.device

    @property
    def networks(self) -> tuple[FineTunable, ...]:
        """Teacher and student, the one that `inference` names first."""
        both = (self.teacher, self.student)
        return both if self.inference == "teacher" else both[::-1]

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
        averaged = max(iteration - 1 - self.start_iterations, 0)
        move(self.teacher, self.student, ema_momentum(averaged, self.max_momentum))
        self.pseudo_labeller.synchronise()

    def get_extra_state(self) -> dict[str, Any]:
        """What the copy-paste remembers, generators included, for the checkpoint."""
        return {} if self.copy_paste is None else self.copy_paste.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_extra_state` gave."""
        if self.copy_paste is not None:
            self.copy_paste.load_state_dict(state)

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
        inputs = [self.student_input(x, sample) for x, sample in zip(batch, samples, strict=True)]
        if any(loss.needs_teacher_features for loss in self.student.losses_on_masks):
            same = [new is old for new, old in zip(samples, labelled, strict=True)]
            features = self.teacher_features(batch, proposed, samples, same)
            for item, maps in zip(inputs, features, strict=True):
                item["teacher_features"] = maps
        if any(loss.uses_teacher_masks for loss in self.student.losses_on_masks):
            internals = self.teacher_internals(batch, proposed, samples, labelled)
            for item in inputs:
                item["teacher"] = internals
        terms = self.student.losses(inputs, iteration)
        logged = LossTerms({}, statistics.as_tensors(self.device))
        return LossTerms.joined({"the student": terms, "the teacher's statistics": logged})

    @torch.no_grad()
    def teacher_features(
        self,
        batch: Sequence[Mapping[str, Any]],
        proposed: tuple[TeacherPredictions, Sequence[View]],
        samples: Sequence[TrainingSample],
        same: Sequence[bool],
    ) -> list[Tensor]:
        """The teacher's mask features of the student's images, before colours are augmented.

        Those of the predictions serve where the teacher was shown the same picture.

        Args:
            batch: the input of `forward`.
            proposed: the teacher's predictions and the images' frames.
            samples: the images that the student is given.
            same: per image, nothing was pasted.
        """
        predicted, frames = proposed
        known: list[Tensor | None] = [None] * len(batch)
        if predicted.internals is not None:
            known = [
                maps if unchanged and frame == x["student_view"] else None
                for x, frame, maps, unchanged in zip(
                    batch, frames, predicted.internals.mask_features, same, strict=True
                )
            ]
        images = [s.image for s, maps in zip(samples, known, strict=True) if maps is None]
        computed = iter(self.teacher.mask_features(images) if images else [])
        return [next(computed) if maps is None else maps for maps in known]

    @torch.no_grad()
    def teacher_internals(
        self,
        batch: Sequence[Mapping[str, Any]],
        proposed: tuple[TeacherPredictions, Sequence[View]],
        samples: Sequence[TrainingSample],
        labelled: Sequence[TrainingSample],
    ) -> TeacherInternals:
        """What the teacher has of the student's images, before colours are augmented.

        The predictions serve where the teacher was shown the same pictures, in one batch.

        Args:
            batch: the input of `forward`.
            proposed: the teacher's predictions and the images' frames.
            samples: the images that the student is given.
            labelled: the same before anything was pasted.
        """
        predicted, frames = proposed
        same = all(new is old for new, old in zip(samples, labelled, strict=True))
        same = same and all(f == x["student_view"] for f, x in zip(frames, batch, strict=True))
        if predicted.internals is None or not same:
            heights = [int(x["height"]) for x in batch]
            predicted = self.teacher.proposals([s.image for s in samples], heights)
        assert predicted.internals is not None  # `refuse_unmet_needs` asks for them
        return predicted.internals

    @torch.no_grad()
    def labelled_samples(
        self,
        batch: Sequence[Mapping[str, Any]],
        proposed: tuple[TeacherPredictions, Sequence[View]],
        statistics: PseudoStatistics,
    ) -> list[TrainingSample]:
        """The student's images with pseudo masks in their own pixels."""
        labels = self.frame_labels(batch, proposed)
        return [self.sample(x, one, statistics) for x, one in zip(batch, labels, strict=True)]

    @torch.no_grad()
    def frame_labels(
        self,
        batch: Sequence[Mapping[str, Any]],
        proposed: tuple[TeacherPredictions, Sequence[View]],
    ) -> list[FrameLabels]:
        """Pseudo masks of each image's objects, in the frames of the teacher's predictions."""
        predicted, frames = proposed
        objects = [self.objects_in_frame(x, frame) for x, frame in zip(batch, frames, strict=True)]
        labels = self.pseudo_labeller(predicted, objects).of_images([len(o) for o in objects])
        return [
            FrameLabels(of_image, predicted.mask_stride, frame)
            for of_image, frame in zip(labels, frames, strict=True)
        ]

    @torch.no_grad()
    def sample(
        self, x: Mapping[str, Any], made: FrameLabels, statistics: PseudoStatistics
    ) -> TrainingSample:
        """A student's image with the pseudo masks made for it, in its own pixels."""
        labels, objects = made.labels, x["instances"]
        boxes = objects.gt_boxes.tensor.to(self.device, non_blocking=True)
        masks, unsure = labels_in_view(labels, boxes, made.stride, made.frame, x["student_view"])
        valid = labels.valid
        if not self.teach_empty_masks:
            valid = valid & masks.flatten(1).any(dim=1)
        statistics.add_labels(labels, masks, valid, x.get("diagnostic_masks"))
        return TrainingSample(
            image=x["image"].to(self.device, non_blocking=True),
            boxes=boxes,
            classes=objects.gt_classes.to(self.device, non_blocking=True),
            masks=masks & valid[:, None, None],
            quality=labels.quality * valid,
            scores=labels.scores,
            valid=valid,
            pasted=torch.zeros_like(valid),
            unsure=unsure,
        )

    def objects_in_frame(self, x: Mapping[str, Any], frame: View) -> Instances:
        """An image's objects in the pixels that the teacher's labels are made in."""
        view: View = x["student_view"]
        objects = objects_in_view(x["instances"], view, frame)
        if self.pseudo_labeller.needs_true_masks:
            truth = true_masks_in_frame(x, frame, view)
            objects.true_masks = truth.to(self.device, non_blocking=True)
        objects.gt_boxes = Boxes(objects.gt_boxes.tensor.to(self.device, non_blocking=True))
        objects.gt_classes = objects.gt_classes.to(self.device, non_blocking=True)
        return objects

    def student_input(self, x: Mapping[str, Any], sample: TrainingSample) -> dict[str, Any]:
        """The student's input: pasted, colours augmented, with the sample as its targets."""
        objects = Instances((sample.image.shape[1], sample.image.shape[2]))
        objects.gt_boxes = Boxes(sample.boxes)
        objects.gt_classes = sample.classes
        if self.pseudo_labeller.equal_weights:
            sample = replace(sample, quality=sample.valid.float())
        image = sample.image
        if self.colors is not None:
            image = self.colors(image, x["color_seed"])
        return {
            "image": image,
            "unperturbed_image": x["image"] if self.compare_unpasted_colors else sample.image,
            "height": x["height"],
            "width": x["width"],
            "instances": objects,
            "sample": sample,
        }
