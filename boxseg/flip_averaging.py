"""Test-time flips: pseudo masks of an image and of its mirror image, made one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from boxseg.box_masks import box_masks
from boxseg.copy_paste import TrainingSample
from boxseg.pseudo_labels import PseudoMasks
from boxseg.pseudo_statistics import PseudoStatistics
from boxseg.teacher_frame import FrameLabels, probabilities_in_view
from boxseg.teacher_student import TeacherStudent


@torch.no_grad()
def labelled_both_ways(
    model: TeacherStudent, batch: Sequence[Mapping[str, Any]]
) -> list[TrainingSample]:
    """The images with the pseudo masks that two looks of the teacher agree on.

    It is shown the images, and, apart from them, their mirror images. So its answer for a mirrored
    image is its answer mirrored, but for what a labeller that takes note of what it labels has
    learnt between the two.

    Args:
        model: in evaluation mode.
        batch: the input of `boxseg.teacher_student.TeacherStudent`.

    Returns:
        Samples in the order of the batch, in the pixels of its student's views.
    """
    looks = [
        # The objects are those of the batch; frames tell where a look has them.
        model.frame_labels(batch, model.teacher_frame(model.teacher, shown))
        for shown in (batch, [mirrored(x) for x in batch])
    ]
    nobody = PseudoStatistics()
    return [
        model.sample(x, agreed(of_image, x), nobody)
        for x, *of_image in zip(batch, *looks, strict=True)
    ]


def mirrored(x: Mapping[str, Any]) -> dict[str, Any]:
    """An input whose two images are mirrored left to right, as their views then say.

    Objects stay as they are, in the pixels of the student's view that was given.
    """
    images = {name: x[name].flip(2) for name in ("image", "teacher_image")}
    views = {
        name: replace(x[name], flipped=not x[name].flipped)
        for name in ("student_view", "teacher_view")
    }
    return {**x, **images, **views}


def agreed(looks: Sequence[FrameLabels], x: Mapping[str, Any]) -> FrameLabels:
    """What several looks at an image found, as one.

    Args:
        looks: labels of the same objects, each in a frame of its own.
        x: the image's input, with the objects.

    Returns:
        Labels at each pixel of the student's view. An object has a mask if a look found one with a
        pixel in its box; probabilities, threshold, quality and score are means over these looks.
    """
    view, labels = x["student_view"], [one.labels for one in looks]
    device = labels[0].quality.device
    boxes = x["instances"].gt_boxes.tensor.to(device, non_blocking=True)
    inside = box_masks(boxes, 1, view.height, view.width)
    number = torch.zeros(len(boxes), device=device)
    sums = torch.zeros(3, len(boxes), device=device)
    probabilities = torch.zeros(inside.shape, device=device)
    for one in looks:  # one at a time: there may be a hundred objects in a large image
        maps = probabilities_in_view(one.labels, one.stride, one.frame, view)
        thresholds = torch.as_tensor(one.labels.threshold, device=device).expand(len(boxes))
        masks = (maps > thresholds[:, None, None]) & inside
        found = (one.labels.valid & masks.flatten(1).any(dim=1)).float()
        values = (thresholds.float(), one.labels.quality.float(), one.labels.scores.float())
        number += found
        sums += found * torch.stack(values)
        probabilities += found[:, None, None] * maps
    thresholds, quality, scores = sums / number.clamp(min=1)
    probabilities /= number.clamp(min=1)[:, None, None]
    united = PseudoMasks(
        probabilities=probabilities,
        threshold=thresholds,
        masks=(probabilities > thresholds[:, None, None]) & inside,
        quality=quality,
        scores=scores,
        valid=number > 0,
        candidates=torch.stack([one.candidates for one in labels]).sum(dim=0),
        background_threshold=labels[0].background_threshold,
    )
    return FrameLabels(united, 1, view)
