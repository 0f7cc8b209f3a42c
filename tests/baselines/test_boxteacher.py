"""BoxTeacher's scores, and its pseudo labeller."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from detectron2.structures import Boxes, Instances
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from baselines.box_assignment import GreedyAssignment
from baselines.boxteacher import (
    BoxPseudoMaskAssignment,
    DetectionScoring,
    MaskAwareScoring,
    mask_aware_confidence,
)
from boxseg.mask_rescoring import mask_aware_scores, mean_foreground_probability
from boxseg.pseudo_labels import PseudoLabeller, TeacherPredictions


def test_scores_by_hand() -> None:
    masks = torch.tensor([[[0.9, 0.7], [0.5, 0.1]], [[0.5, 0.4], [0.0, 0.2]], [[1.0] * 2] * 2])
    scores = torch.tensor([0.64, 0.9, 1.0])
    # 0.5 is not above 0.5: the first foreground is {0.9, 0.7}, the second is empty.
    assert mean_foreground_probability(masks).tolist() == pytest.approx([0.8, 0, 1])
    # sqrt(sqrt(0.64) 0.8) = sqrt(0.8 x 0.8) = 0.8; sqrt(0.64 x 0.8) = sqrt(0.512)
    assert mask_aware_confidence(scores, masks).tolist() == pytest.approx([0.8, 0, 1])
    assert mask_aware_scores(scores, masks).tolist() == pytest.approx([0.512**0.5, 0, 1])
    assert mean_foreground_probability(masks, 0.8).tolist() == pytest.approx([0.9, 0, 1])


@pytest.mark.parametrize("shape", [(0, 4, 6), (3, 0, 6)])
def test_scores_of_nothing(shape: tuple[int, int, int]) -> None:
    empty = mask_aware_confidence(torch.ones(shape[0]), torch.zeros(shape))
    assert empty.tolist() == [0.0] * shape[0]


@given(st.integers(0, 2**32 - 1), st.sampled_from([torch.float16, torch.bfloat16, torch.float32]))
def test_scores_are_in_range_and_monotone(seed: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(4, 5, 7, generator=generator).to(dtype)
    scores = torch.rand(4, generator=generator).to(dtype)
    for score in (mask_aware_confidence, mask_aware_scores):
        values = score(scores, masks)
        assert values.dtype == torch.float32
        assert ((values >= 0) & (values <= 1)).all()
        assert (score((scores * 2).clamp(max=1), masks) >= values).all()
        surer = torch.where(masks > 0.5, masks.sqrt(), masks)
        assert (score(scores, surer) >= values - 1e-6).all()
        strided = masks.repeat_interleave(2, dim=2)[..., ::2]
        torch.testing.assert_close(score(scores, strided), values)


def predictions_of(boxes: Tensor, scores: Tensor, masks: Tensor) -> TeacherPredictions:
    """Of a 16 x 16 image, masks at stride 4; all predictions survive suppression."""
    return TeacherPredictions(
        boxes=boxes,
        scores=scores,
        classes=torch.zeros(len(boxes), dtype=torch.int64),
        counts=[len(boxes)],
        image_sizes=[(16, 16)],
        original_scales=[1.0],
        mask_stride=4,
        masks_of=lambda indices, counts: masks[indices],
        suppressed=lambda: [torch.arange(len(boxes))],
    )


def objects_of(boxes: Tensor) -> Instances:
    objects = Instances((16, 16))
    objects.gt_boxes = Boxes(boxes)
    objects.gt_classes = torch.ones(len(boxes), dtype=torch.int64)
    return objects


@pytest.fixture
def scene() -> tuple[TeacherPredictions, list[Instances]]:
    """Three objects: two side by side, both well predicted, and one that nobody found.

    Row i of a mask stands for the pixel row 2 + 4 i: the left object's box holds the columns 0 and
    1 of all rows, the right one's the columns 2 and 3.
    """
    objects = objects_of(torch.tensor([[0.0, 0, 8, 16], [8, 0, 16, 16], [0, 0, 3, 3]]))
    boxes = torch.tensor([[0.0, 0, 8, 16], [0, 0, 8, 15], [8, 0, 30, 16]])
    masks = torch.zeros(3, 4, 4)
    masks[0, :, 0], masks[0, :, 2] = 0.6, 0.9  # partly outside the box
    masks[1, :, :2] = 0.96
    masks[2, :, 3] = 0.75
    return predictions_of(boxes, torch.tensor([0.81, 0.64, 0.49]), masks), [objects]


def test_labels_by_hand(scene: tuple[TeacherPredictions, list[Instances]]) -> None:
    # Mask-aware scores: sqrt(0.81 x 0.75) = 0.779 and sqrt(0.64 x 0.96) = 0.784, so prediction 1
    # is first and takes the left object. Prediction 2 reaches out of the image; cut to it, it is
    # the right object's box (uncut, its IoU would be 8/22).
    labeller: PseudoLabeller = BoxPseudoMaskAssignment()
    made = labeller(*scene)
    assert made.valid.tolist() == [True, True, False]
    assert made.candidates.tolist() == [1, 1, 0]
    expected = torch.zeros(3, 4, 4, dtype=torch.bool)
    expected[0, :, :2] = expected[1, :, 3] = True
    assert torch.equal(made.masks, expected)
    # sqrt(sqrt(0.64) x 0.96) and sqrt(sqrt(0.49) x 0.75)
    assert made.quality.tolist() == pytest.approx([0.768**0.5, 0.525**0.5, 0])
    assert made.scores.tolist() == pytest.approx([0.64, 0.49, 0])


def test_without_mask_aware_scores(scene: tuple[TeacherPredictions, list[Instances]]) -> None:
    # By the detector's scores prediction 0 is first. Its mask is cut to the box.
    made = BoxPseudoMaskAssignment(scoring=DetectionScoring())(*scene)
    expected = torch.zeros(3, 4, 4, dtype=torch.bool)
    expected[0, :, 0] = expected[1, :, 3] = True
    assert torch.equal(made.masks, expected)
    # The probabilities keep what is outside.
    masks = scene[0].masks_of(torch.tensor([0, 2]), [2])
    assert torch.equal(made.probabilities[:2], masks)
    assert not made.probabilities[2].any()
    assert made.threshold == 0.5
    assert made.quality.tolist() == [1, 1, 0]
    assert made.scores.tolist() == pytest.approx([0.81, 0.49, 0])


def test_options(scene: tuple[TeacherPredictions, list[Instances]]) -> None:
    strict = BoxPseudoMaskAssignment(GreedyAssignment(iou_threshold=0.99))(*scene)
    assert strict.scores.tolist() == pytest.approx([0.81, 0.49, 0])
    sure = BoxPseudoMaskAssignment(mask_threshold=0.8)(*scene)
    assert sure.valid.tolist() == [True, False, False]
    assert sure.candidates.tolist() == [1, 1, 0]
    # With a threshold of 0.8, predictions 0 and 2 have means 0.9 and 0: prediction 0 comes first.
    scoring = MaskAwareScoring(pixel_threshold=0.8)
    chosen = BoxPseudoMaskAssignment(scoring=scoring)(*scene)
    assert chosen.quality.tolist() == pytest.approx([(0.9 * 0.9) ** 0.5, 0, 0])


def test_masks_outside_their_box_are_not_valid(
    scene: tuple[TeacherPredictions, list[Instances]],
) -> None:
    predictions, objects = scene
    outside = torch.zeros(3, 4, 4)
    outside[:, :, 3] = 0.9
    made = BoxPseudoMaskAssignment()(
        replace(predictions, masks_of=lambda i, _: outside[i]), objects
    )
    assert made.valid.tolist() == [False, True, False]
    assert made.quality.tolist()[0] == 0
    assert made.scores.tolist()[0] == 0
    assert not made.probabilities[0].any()
    # As released they are: with their confidence, they teach an empty mask.
    outside[2] = 0.2  # no foreground anywhere
    released = BoxPseudoMaskAssignment(empty_masks=True)
    made = released(replace(predictions, masks_of=lambda i, _: outside[i]), objects)
    assert made.valid.tolist() == [True, False, False]
    assert not made.masks.any()
    # Prediction 0 is first by its score: sqrt(sqrt(0.81) x 0.9) = 0.9.
    assert made.quality.tolist() == pytest.approx([0.9, 0, 0])


def test_only_what_survives_suppression_is_assigned(
    scene: tuple[TeacherPredictions, list[Instances]],
) -> None:
    predictions, objects = scene
    kept = torch.tensor([2, 0])
    made = BoxPseudoMaskAssignment()(replace(predictions, suppressed=lambda: [kept]), objects)
    assert made.scores.tolist() == pytest.approx([0.81, 0.49, 0])


@pytest.mark.parametrize(("count", "number"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_to_label(count: int, number: int) -> None:
    predictions = predictions_of(
        torch.rand(count, 4), torch.rand(count), torch.rand(count, 4, 4).half()
    )
    made = BoxPseudoMaskAssignment()(predictions, [objects_of(torch.rand(number, 4))])
    assert made.masks.shape == (number, 4, 4)
    assert made.masks.dtype == torch.bool
    for values in (made.quality, made.scores, made.valid, made.candidates):
        assert values.tolist() == [0] * number


def test_no_gradient_reaches_the_teacher(scene: tuple[TeacherPredictions, list[Instances]]) -> None:
    predictions, objects = scene
    masks = predictions.masks_of(torch.arange(3), [3]).requires_grad_()
    scores = predictions.scores.requires_grad_()
    teacher = replace(predictions, scores=scores, masks_of=lambda i, _: masks[i])
    made = BoxPseudoMaskAssignment()(teacher, objects)
    assert not made.quality.requires_grad
    assert not made.scores.requires_grad
