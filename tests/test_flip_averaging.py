"""Pseudo masks of an image and of its mirror image, made one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.flip_averaging import agreed, labelled_both_ways, mirrored
from boxseg.pseudo_labels import PseudoMasks
from boxseg.teacher_frame import FrameLabels, OwnFrame, StudentFrame, TeacherFrame
from boxseg.teacher_labels import labelled_once
from boxseg.teacher_student import TeacherStudent
from boxseg.views import View, boxes_between
from experiments.configuration.build import build
from experiments.configuration.compose import compose


def given(height: int, width: int, boxes: Tensor, seed: int = 0) -> dict[str, Any]:
    """An image of noise with some boxes, as the mapper gives it at one size for both networks."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    objects = Instances((height, width))
    objects.gt_boxes = Boxes(boxes)
    objects.gt_classes = torch.arange(len(boxes)) % 8
    view = View(height, width)
    images = {"image": image, "teacher_image": image, "height": height, "width": width}
    return {**images, "instances": objects, "student_view": view, "teacher_view": view}


def labels(
    probabilities: Tensor, quality: list[float], threshold: float | Tensor = 0.5
) -> PseudoMasks:
    """Labels of masks; those of quality 0 are none."""
    qualities = torch.tensor(quality)
    return PseudoMasks(
        probabilities=probabilities,
        threshold=threshold,
        masks=probabilities > 0.5,
        quality=qualities,
        scores=qualities / 2,
        valid=qualities > 0,
        candidates=torch.ones(len(quality), dtype=torch.int64),
    )


def test_two_looks_by_hand() -> None:
    boxes = torch.tensor([[0, 0, 4, 0.5], [0, 0, 2.5, 0.5], [0, 0, 4, 0.5], [0, 0, 0.5, 0.5]])
    x = given(1, 4, boxes)
    plain = torch.tensor([[0.9, 0.6, 0.3, 0.0], [0.0] * 4, [0.0] * 4, [0.0, 0.9, 0.9, 0.9]])
    # As the mirrored image has them, from right to left.
    flipped = torch.tensor([[0.0, 0.8, 0.2, 0.7], [0.9, 0.2, 0.6, 0.8], [0.0] * 4, [0.0] * 4])
    looks = [
        FrameLabels(labels(plain[:, None], [0.8, 0, 0, 0.9]), 1, View(1, 4)),
        FrameLabels(labels(flipped[:, None], [0.4, 0.6, 0, 0]), 1, View(1, 4, flipped=True)),
    ]
    found = agreed(looks, x)
    assert (found.stride, found.frame) == (1, View(1, 4))
    means = [[0.8, 0.4, 0.55, 0.0], [0.8, 0.6, 0.2, 0.9]]
    torch.testing.assert_close(found.labels.probabilities[:2, 0], torch.tensor(means))
    assert found.labels.masks[:, 0].int().tolist() == [
        [1, 0, 1, 0],
        [1, 1, 0, 0],  # the second look's alone, cut to its box
        [0, 0, 0, 0],
        [0, 0, 0, 0],  # a mask beside its box is none
    ]
    assert found.labels.valid.tolist() == [True, True, False, False]
    assert found.labels.quality.tolist() == pytest.approx([0.6, 0.6, 0, 0])
    assert found.labels.scores.tolist() == pytest.approx([0.3, 0.3, 0, 0])


def test_thresholds_are_averaged_with_what_they_are_of() -> None:
    x = given(1, 2, torch.tensor([[0.0, 0, 2, 1]]))
    looks = [
        FrameLabels(
            labels(torch.tensor([[[0.6, 0.4]]]), [0.5], torch.tensor([0.5])), 1, View(1, 2)
        ),
        FrameLabels(
            labels(torch.tensor([[[0.9, 0.25]]]), [0.5], torch.tensor([0.2])), 1, View(1, 2)
        ),
    ]
    found = agreed(looks, x).labels
    assert torch.as_tensor(found.threshold).tolist() == pytest.approx([0.35])
    assert found.masks.tolist() == [[[True, False]]]


@pytest.mark.parametrize("frame", [OwnFrame(), StudentFrame(80, 96)])
def test_the_answer_for_a_mirrored_image_is_the_answer_mirrored(frame: TeacherFrame) -> None:
    torch.manual_seed(0)
    willing = ("segmenter.detector.score_threshold=0.001", "pseudo_labels.fusion.score_threshold=0")
    words = ("scale=smoke", "method=boxseg", "dataset.num_classes=8", *willing)
    model = build(compose(words).model)
    assert isinstance(model, TeacherStudent)
    model.eval()
    model.teacher_frame = frame
    for name, values in model.teacher.named_parameters():
        if "controller" in name:  # masks that depend on the place
            values.data.normal_(0, 0.3)
    # A width that no stride divides, so that the grids of the two looks differ. A box that ends
    # where a pixel does fills the next one too, which is another in the mirror.
    boxes = torch.tensor([[3.5, 5, 40.5, 50], [20.5, 10, 69.5, 60], [0.5, 0, 70.5, 64]])
    x = given(64, 71, boxes)
    (plain,) = labelled_both_ways(model, [x])
    twin = mirrored(x)
    twin["instances"] = Instances((64, 71))
    twin["instances"].gt_boxes = Boxes(
        boxes_between(boxes, x["student_view"], twin["student_view"])
    )
    twin["instances"].gt_classes = x["instances"].gt_classes
    twin |= {name: View(64, 71) for name in ("student_view", "teacher_view")}  # a file of its own
    (other,) = labelled_both_ways(model, [twin])
    assert plain.valid.any()
    assert torch.equal(plain.valid, other.valid)
    assert torch.equal(plain.masks, other.masks.flip(2))
    assert torch.equal(plain.quality, other.quality)
    (once,) = labelled_once(model, [x])
    assert 0 < (once.masks != plain.masks).float().mean() < 0.5
    assert not torch.equal(once.quality, plain.quality)
