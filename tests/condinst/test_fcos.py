"""FCOS's head, its losses as a whole, candidate boxes and suppression."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.ops import batched_nms

from boxseg.condinst.fcos import FCOS, Candidates
from boxseg.condinst.fcos_head import FCOSHead, HeadOutputs, flatten_levels
from boxseg.ragged import image_index
from tests.condinst.tiny import objects

CLASSES = 3


def detector(**settings: Any) -> FCOS:
    return FCOS(FCOSHead(32, CLASSES, 2, 1, 1), (4, 8), (16,), CLASSES, **settings)


def outputs(batch: int = 1) -> HeadOutputs:
    """Maps of a 32-pixel image where nothing is found: probabilities of next to 0."""
    sizes = (8, 4)
    return HeadOutputs(
        logits=[torch.full((batch, CLASSES, s, s), -30.0) for s in sizes],
        box_distances=[torch.ones(batch, 4, s, s) for s in sizes],
        centerness=[torch.zeros(batch, 1, s, s) for s in sizes],
        box_features=[torch.zeros(batch, 32, s, s) for s in sizes],
    )


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_head_shapes_and_first_probabilities() -> None:
    pyramid = [torch.randn(2, 32, 6, 8), torch.randn(2, 32, 3, 4)]
    found = FCOSHead(32, CLASSES, 2, 2, 2)(pyramid)
    for level, (height, width) in enumerate(((6, 8), (3, 4))):
        assert found.logits[level].shape == (2, CLASSES, height, width)
        assert found.box_distances[level].shape == (2, 4, height, width)
        assert found.centerness[level].shape == (2, 1, height, width)
        assert found.box_features[level].shape == (2, 32, height, width)
        assert found.box_distances[level].min() >= 0
        # Every class starts with a probability of about 1%.
        assert found.logits[level].sigmoid().mean().item() == pytest.approx(0.01, abs=0.003)


def test_head_shares_towers_but_not_scales() -> None:
    head = FCOSHead(32, CLASSES, 2, 1, 1)
    nn.init.constant_(head.bbox_pred.bias, 1.0)  # type: ignore[arg-type]
    with torch.no_grad():
        next(head.scales[1].parameters()).fill_(3.0)
    same = torch.randn(1, 32, 4, 4)
    found = head([same, same])
    torch.testing.assert_close(found.logits[1], found.logits[0])
    torch.testing.assert_close(found.box_distances[1], 3 * found.box_distances[0])


def test_head_without_centerness() -> None:
    assert (
        FCOSHead(32, CLASSES, 1, 1, 1, with_centerness=False)([torch.zeros(1, 32, 2, 2)]).centerness
        == []
    )


def test_flattening_order_and_precision() -> None:
    maps = [torch.randn(2, 3, 2, 4).bfloat16(), torch.randn(2, 3, 1, 2).bfloat16()]
    flat = flatten_levels(maps)
    assert flat.dtype == torch.float32
    assert flat.shape == (2 * 8 + 2 * 2, 3)
    # Level 0, image 1, row 1, column 2; level 1, image 1, column 0.
    assert torch.equal(flat[8 + 4 + 2], maps[0][1, :, 1, 2].float())
    assert torch.equal(flat[16 + 2], maps[1][1, :, 0, 0].float())


def test_losses_by_hand() -> None:
    """One object of 12 pixels that the four cells (6, 6) to (10, 10) of stride 4 belong to."""
    found = outputs()
    found.logits[0][0, 1, 1:3, 1:3] = logit(0.8)
    fcos = detector()
    targets = fcos.targets(found, [objects([[2, 2, 14, 14]], [1])])
    losses, positives = fcos.losses(found, targets)
    # Each positive: 0.25 * 0.2^2 * -log 0.8; everything else is next to 0.
    assert losses["loss_fcos_cls"].item() == pytest.approx(-0.01 * math.log(0.8), rel=1e-4)
    # Distances 1 and 2 strides to the sides of each axis: centre-ness sqrt(1/2 * 1/2); all alike.
    assert losses["loss_fcos_ctr"].item() == pytest.approx(math.log(2), rel=1e-5)
    # 1 x 1 around the cell predicted, so 2 x 2 of 3 x 3: IoU (4 + 1) / (9 + 1), hull 9 full.
    assert losses["loss_fcos_loc"].item() == pytest.approx(1 - 5 / 10, rel=1e-5)
    assert positives.cells.tolist() == [9, 10, 17, 18]
    assert positives.object_index.tolist() == [0] * 4
    assert positives.locations.tolist() == [[6, 6], [10, 6], [6, 10], [10, 10]]
    torch.testing.assert_close(positives.scores, torch.full((4,), 0.8 * 0.5))
    assert not positives.scores.requires_grad


def test_box_loss_is_weighted_by_centerness() -> None:
    """A wide box: its two columns of cells have different centre-ness and different overlaps."""
    found = outputs()
    found.box_distances[0][0, :, 1:3, 1] = 0.5
    fcos = detector(radius=1.5)
    # Cells (6, 6), (10, 6), (6, 10), (10, 10); box from 2 to 18 by 4 to 12, centre (10, 8).
    one = objects([[2, 4, 18, 12]], [0])
    targets = fcos.targets(found, [one])
    cells = (targets.object_index >= 0).nonzero().squeeze(1)
    # x 6, 10, 14 and y 6, 10: left/right of 1/3, 2/2, 3/1 strides and up/down of 0.5/1.5.
    assert targets.locations[cells].tolist() == [[x, y] for y in (6, 10) for x in (6, 10, 14)]
    losses, _ = fcos.losses(found, targets)

    def cell(left: float, right: float, predicted: float) -> tuple[float, float]:
        weight = math.sqrt(min(left, right) / max(left, right) * 0.5 / 1.5)
        height = min(predicted, 0.5) + min(predicted, 1.5)
        shared = (min(left, predicted) + min(right, predicted)) * height
        union = 4 * predicted**2 + (left + right) * 2 - shared
        hull = (max(left, predicted) + max(right, predicted)) * (
            max(predicted, 0.5) + max(predicted, 1.5)
        )
        giou = (shared + 1) / (union + 1) - (hull - union) / hull
        return weight, weight * (1 - giou)

    weights, terms = zip(cell(1, 3, 0.5), cell(2, 2, 1.0), cell(3, 1, 1.0), strict=True)
    assert losses["loss_fcos_loc"].item() == pytest.approx(sum(terms) / sum(weights), rel=1e-5)


def test_losses_without_objects() -> None:
    found = outputs(2)
    for maps in (found.logits, found.box_distances, found.centerness):
        for level in maps:
            level.requires_grad_()
    fcos = detector()
    losses, positives = fcos.losses(found, fcos.targets(found, [objects([], [])] * 2))
    assert losses["loss_fcos_loc"].item() == 0
    assert losses["loss_fcos_ctr"].item() == 0
    assert losses["loss_fcos_cls"].isfinite()
    sum(losses.values()).backward()  # type: ignore[union-attr]
    assert len(positives.cells) == 0


def test_losses_are_float32_whatever_the_head_computes_in() -> None:
    found = outputs()
    low = HeadOutputs(*([m.bfloat16() for m in maps] for maps in vars(found).values()))
    fcos = detector()
    losses, positives = fcos.losses(low, fcos.targets(low, [objects([[2, 2, 14, 14]], [1])]))
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert positives.scores.dtype == positives.locations.dtype == torch.float32


def test_candidates_by_hand() -> None:
    found = outputs(2)
    # Image 1, stride 4, row 2, column 5 (location 22, 10); class 2.
    found.logits[0][1, 2, 2, 5] = logit(0.8)
    found.centerness[0][1, 0, 2, 5] = logit(0.45)
    found.box_distances[0][1, :, 2, 5] = torch.tensor([1.0, 2.0, 3.0, 0.5])
    # Image 1, stride 8, row 3, column 0 (location 4, 28); classes 0 and 1.
    found.logits[1][1, 0, 3, 0] = logit(0.3)
    found.logits[1][1, 1, 3, 0] = logit(0.11)
    # Image 1: below the threshold, 0.09 * 0.5 = 0.045.
    found.logits[1][1, 1, 0, 0] = logit(0.09)
    # Another image's does not count.
    found.logits[0][0, 0, 0, 0] = logit(0.9)
    everyone, counts = detector(score_threshold=0.05).candidates(found)
    assert counts == [1, 3]
    assert everyone.image_index.tolist() == [0, 1, 1, 1]
    assert everyone.cells.tolist()[0] == 0
    candidates = everyone[torch.arange(1, 4)]
    assert candidates.classes.tolist() == [2, 0, 1]
    assert candidates.level.tolist() == [0, 1, 1]
    # 64 cells an image at stride 4, 16 at stride 8, counted over both images.
    assert candidates.cells.tolist() == [64 + 2 * 8 + 5] + [2 * 64 + 16 + 3 * 4] * 2
    assert candidates.locations.tolist() == [[22, 10], [4, 28], [4, 28]]
    expected = [math.sqrt(0.8 * 0.45), math.sqrt(0.3 * 0.5), math.sqrt(0.11 * 0.5)]
    torch.testing.assert_close(candidates.scores, torch.tensor(expected))
    # Distances times the stride: 22 - 4, 10 - 8, 22 + 12, 10 + 2; not clipped.
    assert candidates.boxes.tolist() == [[18, 2, 34, 12]] + [[-4, 20, 12, 36]] * 2


def test_candidates_are_the_best_of_each_level() -> None:
    found = outputs()
    found.logits[0][0, 0, 0] = torch.linspace(-1, 1, 8)
    found.logits[1][0, 0, 0] = torch.linspace(-2, 0, 4)
    candidates, _ = detector(pre_nms_top_k=2).candidates(found)
    assert sorted(candidates.cells.tolist()) == [6, 7, 64 + 2, 64 + 3]


def test_candidates_of_nothing() -> None:
    candidates, counts = detector().candidates(outputs())
    assert candidates.boxes.shape == (0, 4)
    assert [len(kept) for kept in detector().surviving(candidates, len(counts))] == [0]


def candidates_of(boxes: Tensor, scores: list[float], classes: list[int]) -> Candidates:
    numbers = torch.arange(len(scores))
    places = numbers[:, None] * 1.0
    labels = torch.tensor(classes)
    return Candidates(
        boxes, torch.tensor(scores), labels, numbers, numbers, places, torch.zeros_like(labels)
    )


def kept_of(candidates: Candidates, **settings: Any) -> Candidates:
    """Those of one image that survive suppression."""
    (kept,) = detector(**settings).surviving(candidates, 1)
    return candidates[kept]


def test_suppression_is_by_class_and_best_first() -> None:
    box = torch.tensor([0.0, 0.0, 10.0, 10.0])
    # 10 x 10 and 10 x 5: IoU exactly 0.5; shifted by 2: IoU 80 / 120.
    half = torch.tensor([0.0, 0.0, 10.0, 5.0])
    shifted = torch.tensor([2.0, 0.0, 12.0, 10.0])
    candidates = candidates_of(
        torch.stack((half, box, shifted, shifted)), [0.5, 0.9, 0.8, 0.6], [0, 0, 0, 1]
    )
    kept = kept_of(candidates, nms_threshold=0.6)
    # `shifted` of class 0 falls to `box`; of class 1 it stays, and so does `half`.
    assert kept.cells.tolist() == [1, 3, 0]
    assert kept.classes.tolist() == [0, 1, 0]
    assert torch.equal(kept.boxes, torch.stack((box, shifted, half)))
    two = kept_of(candidates, nms_threshold=0.6, max_detections=2)
    assert two.cells.tolist() == [1, 3]


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_suppression_of_a_batch_is_that_of_each_image(seed: int, counts: list[int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    total = sum(counts)
    corners = torch.rand(total, 2, generator=generator) * 40 - 10  # some reach out of the image
    boxes = torch.cat((corners, corners + 5 + 15 * torch.rand(total, 2, generator=generator)), 1)
    scores = torch.rand(total, generator=generator).tolist()
    classes = torch.randint(0, 3, (total,), generator=generator).tolist()
    everyone = candidates_of(boxes, scores, classes)
    everyone = replace(everyone, image_index=image_index(counts, boxes.device))
    made = detector(nms_threshold=0.3, max_detections=5)
    first = 0
    for count, kept in zip(counts, made.surviving(everyone, len(counts)), strict=True):
        own = slice(first, first + count)
        wanted = batched_nms(
            boxes[own], torch.tensor(scores)[own], torch.tensor(classes).long()[own], 0.3
        )
        assert kept.tolist() == (wanted[:5] + first).tolist()
        first += count
