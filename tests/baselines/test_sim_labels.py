"""SIM's pseudo labels: self-correction by hand, the labeller on a teacher's predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from baselines.sim import Prototypes, SelfCorrection, SemanticLabeller
from baselines.sim.labels import mean_maps
from boxseg.errors import InputError
from boxseg.pseudo_labels import ObjectPredictions, TeacherInternals, TeacherPredictions

SIZE = 4
"""Rows and columns of a mask, at stride 4."""


def logit(p: float) -> float:
    return float(torch.tensor(p).logit())


def test_self_correction_by_hand() -> None:
    # Four pixels, the last outside the box. Combined: half the instance map, half the semantic
    # one, whose sigmoid is 0.5 and 0.9.
    instance = torch.tensor([[[0.95, 0.8, 0.6, 0.95]]])
    semantic = torch.tensor([[[logit(0.5), logit(0.5), logit(0.9), 0.0]]])
    box = torch.tensor([[[True, True, True, False]]])
    corrected = SelfCorrection()(instance, semantic, box)
    torch.testing.assert_close(
        corrected.probabilities, torch.tensor([[[0.725, 0.65, 0.75, 0.725]]])
    )
    # Two pixels of the box are above 0.7. Sorted, the combined map inside is 0.75, 0.725, 0.65, 0:
    # the value with index 2 is 0.65, raised to the limit 0.7.
    assert corrected.regions.tolist() == [[[True, True, False, False]]]
    assert corrected.thresholds.tolist() == pytest.approx([0.7])
    # One pixel above 0.78: index 1, and 0.725 is within the limits.
    assert SelfCorrection(region_threshold=0.9)(instance, semantic, box).thresholds.tolist() == (
        pytest.approx([0.725])
    )


def test_a_region_that_fills_the_map() -> None:
    ones = torch.ones(1, 2, 2)
    corrected = SelfCorrection()(ones, 9 * ones, ones.bool())
    assert corrected.thresholds.tolist() == pytest.approx([0.8])


def test_mean_maps_by_hand() -> None:
    maps = torch.tensor([[[1.0]], [[0.0]], [[0.5]]])
    means, counts = mean_maps(maps, torch.tensor([2, 2, 0]), 3)
    assert means.flatten().tolist() == [0.5, 0.0, 0.5]
    assert counts.tolist() == [1, 0, 2]


def objects_of(boxes: list[list[float]]) -> Instances:
    objects = Instances((4 * SIZE, 4 * SIZE))
    objects.gt_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
    objects.gt_classes = torch.zeros(len(boxes), dtype=torch.long)
    return objects


def predictions(masks: Tensor, index: list[int], features: Tensor) -> TeacherPredictions:
    def nothing(*_: Any) -> Tensor:
        return torch.zeros(0, dtype=torch.long)

    return TeacherPredictions(
        boxes=torch.zeros(0, 4),
        scores=torch.zeros(0),
        classes=nothing(),
        counts=[0],
        image_sizes=[(4 * SIZE, 4 * SIZE)],
        original_scales=[1.0],
        mask_stride=4,
        masks_of=nothing,
        suppressed=lambda: [nothing()],
        internals=TeacherInternals(
            features[None],
            lambda objects: ObjectPredictions(
                masks, torch.full((len(masks),), 0.5), torch.tensor(index, dtype=torch.long)
            ),
            lambda positives, stride: torch.zeros(0, SIZE, SIZE),
        ),
    )


def labeller() -> SemanticLabeller:
    made = SemanticLabeller(Prototypes(1, 2, per_class=1, momentum=0.0))
    made.prototypes.prototypes.copy_(torch.tensor([[[1.0, 0.0]]]))
    return made


def test_labels_of_an_image() -> None:
    # The left half is the object's: probability 0.9, and features like the prototype, of cosine 1
    # (sigmoid 0.731): combined 0.816. In the third column 0.6 and cosine 0: 0.55, unsure. Then 0.1
    # and cosine 0: 0.3, background. Two positives of the first object, none of the second.
    row = torch.tensor([0.9, 0.9, 0.6, 0.1])
    masks = row.expand(2, SIZE, SIZE)
    features = torch.zeros(2, SIZE, SIZE)
    features[0, :, :2] = 3.0
    features[1, :, 2:] = 2.0
    objects = objects_of([[0, 0, 16, 16], [0, 0, 16, 16]])
    labels = labeller()(predictions(masks, [0, 0], features), [objects])
    assert labels.valid.tolist() == [True, False]
    assert labels.candidates.tolist() == [2, 0]
    assert labels.masks[0].all(dim=0).tolist() == [True, True, False, False]
    assert not labels.masks[1].any()
    torch.testing.assert_close(labels.probabilities[0, 0, 2].item(), 0.55)
    assert labels.background_threshold == 0.4
    assert labels.quality.tolist() == pytest.approx([0.9, 0])
    assert labels.scores.tolist() == pytest.approx([0.5, 0])
    assert SemanticLabeller.equal_weights


def test_the_mask_stays_inside_the_box() -> None:
    masks = torch.full((1, SIZE, SIZE), 0.99)
    features = torch.ones(2, SIZE, SIZE)
    labels = labeller()(predictions(masks, [0], features), [objects_of([[0, 0, 7, 16]])])
    assert labels.masks[0].any(dim=0).tolist() == [True, True, False, False]


def test_prototypes_learn_in_training_only() -> None:
    masks = torch.full((1, SIZE, SIZE), 0.99)
    features = torch.ones(2, SIZE, SIZE)
    given = predictions(masks, [0], features), [objects_of([[0, 0, 16, 16]])]
    made = labeller()
    made.eval()(*given)
    assert made.prototypes.prototypes.flatten().tolist() == [1, 0]
    made.train()(*given)
    assert made.prototypes.prototypes.flatten().tolist() == pytest.approx([0.5**0.5] * 2)


def test_an_image_without_objects() -> None:
    none = predictions(torch.zeros(0, SIZE, SIZE), [], torch.ones(2, SIZE, SIZE))
    labels = labeller()(none, [objects_of([])])
    assert labels.masks.shape == (0, SIZE, SIZE)


def test_a_host_without_mask_features_is_told() -> None:
    bare = replace(
        predictions(torch.zeros(0, SIZE, SIZE), [], torch.ones(2, SIZE, SIZE)), internals=None
    )
    with pytest.raises(InputError, match="gives mask features"):
        labeller()(bare, [objects_of([])])
