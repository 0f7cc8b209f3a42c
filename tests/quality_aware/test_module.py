"""The Quality-Aware Module as a pseudo labeller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from detectron2.structures import Boxes, Instances
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from boxseg.box_masks import box_masks, box_profiles
from boxseg.errors import InputError
from boxseg.pseudo_labels import PseudoLabeller, PseudoMasks, TeacherPredictions
from boxseg.quality_aware import (
    AdaptiveTopK,
    BestCandidate,
    EqualQuality,
    EveryPrediction,
    FixedTopK,
    QualityAwareModule,
)
from boxseg.quality_aware.fusion import candidate_agreement
from boxseg.quality_aware.released import ConfidentSameClass, MajorityVote, VoteAgreement

SEEDS = st.integers(0, 2**32 - 1)
SIZE = (24, 32)
STRIDE = 2


@dataclass
class StoredMasks:
    """Masks of all predictions, and what was asked of them."""

    masks: Tensor
    asked: list[Tensor] = field(default_factory=list)

    def __call__(self, indices: Tensor, counts: Sequence[int]) -> Tensor:
        assert sum(counts) == len(indices)
        self.asked.append(indices)
        return self.masks[indices]


def random_boxes(count: int, generator: torch.Generator) -> Tensor:
    size = torch.tensor([SIZE[1], SIZE[0]]).float()
    corners = torch.rand(count, 2, generator=generator) * size * 0.6
    far = corners + 3 + torch.rand(count, 2, generator=generator) * size * 0.4
    return torch.cat((corners, far), dim=1)


def scene(
    seed: int, m: int, n: int, dtype: torch.dtype = torch.float32
) -> tuple[TeacherPredictions, Instances, StoredMasks]:
    generator = torch.Generator().manual_seed(seed)
    size = (SIZE[0] // STRIDE, SIZE[1] // STRIDE)
    stored = StoredMasks(torch.rand(m, *size, generator=generator).to(dtype))
    predictions = TeacherPredictions(
        boxes=random_boxes(m, generator),
        scores=torch.rand(m, generator=generator),
        classes=torch.randint(0, 3, (m,), generator=generator),
        counts=[m],
        image_sizes=[SIZE],
        original_scales=[6.0],
        mask_stride=STRIDE,
        masks_of=stored,
        suppressed=lambda: [torch.arange(0)],
    )
    return predictions, objects(random_boxes(n, generator), generator), stored


def objects(boxes: Tensor, generator: torch.Generator) -> Instances:
    instances = Instances(SIZE)
    instances.gt_boxes = Boxes(boxes)
    instances.gt_classes = torch.randint(0, 3, (len(boxes),), generator=generator)
    return instances


def assert_same(ours: PseudoMasks, other: PseudoMasks) -> None:
    assert torch.equal(ours.masks, other.masks)
    torch.testing.assert_close(ours.probabilities, other.probabilities)
    assert torch.equal(ours.valid, other.valid)
    assert torch.equal(ours.candidates, other.candidates)
    torch.testing.assert_close(ours.quality, other.quality)
    torch.testing.assert_close(ours.scores, other.scores)


def test_equations_2_4_and_5_end_to_end() -> None:
    # An 8 x 8 object is 48 x 48 in the original image: K = round(2 + 8 x 16 / 64) = 4. Of the five
    # boxes the last is worst and stays out although its score is best; the fourth's score is not
    # above 0.1, so three have a say.
    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 4], [0, 0, 8, 2], [0, 0, 8, 6], [0, 0, 8, 1]])
    ious = [1, 0.5, 0.25, 0.75]
    scores = [0.64, 0.5, 0.25, 0.1, 0.99]
    masks = torch.zeros(5, 2, 2)
    masks[:4, 0, 0] = torch.tensor([1.0, 0.9, 0.6, 0.0])
    masks[:4, 0, 1] = torch.tensor([0.2, 0.9, 0.8, 0.0])
    masks[:4, 1, 1] = 1.0  # outside the box
    predictions = TeacherPredictions(
        boxes=boxes,
        scores=torch.tensor(scores),
        classes=torch.zeros(5).long(),
        counts=[5],
        image_sizes=[(16, 16)],
        original_scales=[6.0],
        mask_stride=8,
        masks_of=StoredMasks(masks),
        suppressed=lambda: [torch.arange(0)],
    )
    image_objects = Instances((16, 16))
    image_objects.gt_boxes = Boxes(torch.tensor([[0.0, 0, 8, 8]]))
    image_objects.gt_classes = torch.tensor([2])
    # The box fills the pixel rows and columns 0 to 7 (int(8 + 1) - 1 = 8 for both): with stride 8
    # only the cell that stands for pixel 4 is inside, not the one for pixel 12.
    made = QualityAwareModule()(predictions, [image_objects])
    c = [(s * u) ** 0.5 for s, u in zip(scores[:3], ious[:3], strict=True)]
    fused = (1.0 * c[0] + 0.9 * c[1] + 0.6 * c[2]) / sum(c)
    assert made.masks.tolist() == [[[True, False], [False, False]]]
    assert made.valid.tolist() == [True]
    assert made.candidates.tolist() == [3]
    mean_score = (0.64 + 0.5 + 0.25) / 3
    assert made.scores.tolist() == pytest.approx([mean_score])
    assert made.quality.tolist() == pytest.approx([(mean_score * fused) ** 0.5])


def reference(predictions: TeacherPredictions, instances: Instances, masks: Tensor) -> list[Any]:
    """The method as written, one object after another, in Python numbers."""
    results = []
    height, width = masks.shape[1:]
    for x0, y0, x1, y1 in instances.gt_boxes.tensor.tolist():
        side = ((x1 - x0) * (y1 - y0)) ** 0.5 * predictions.original_scales[0]
        k = round(2 + 8 * min(max((side - 32) / 64, 0), 1))
        overlaps = []
        for a0, b0, a1, b1 in predictions.boxes.tolist():
            common = max(min(x1, a1) - max(x0, a0), 0) * max(min(y1, b1) - max(y0, b0), 0)
            overlaps.append(common / ((x1 - x0) * (y1 - y0) + (a1 - a0) * (b1 - b0) - common))
        best = sorted(range(len(overlaps)), key=lambda j: -overlaps[j])[:k]
        scores = predictions.scores.tolist()
        used = [j for j in best if scores[j] > 0.1 and overlaps[j] > 0]
        weights = {j: (scores[j] * overlaps[j]) ** 0.5 for j in used}
        inside = []
        for row in range(height):
            for column in range(width):
                y, x = STRIDE * row + STRIDE // 2, STRIDE * column + STRIDE // 2
                if int(y0) <= y < int(y1 + 1) and int(x0) <= x < int(x1 + 1):
                    m = sum(w * masks[j, row, column].item() for j, w in weights.items())
                    value = m / sum(weights.values()) if used else 0.0
                    if value > 0.5:
                        inside.append((row, column, value))
        valid = bool(inside)
        quality = 0.0
        if valid:
            mean_score = sum(scores[j] for j in used) / len(used)
            quality = (mean_score * sum(v for _, _, v in inside) / len(inside)) ** 0.5
        pixels = {(row, column) for row, column, _ in inside}
        results.append((pixels, quality, valid, len(used)))
    return results


@given(SEEDS, st.integers(0, 20), st.integers(0, 4))
def test_against_a_plain_loop(seed: int, m: int, n: int) -> None:
    predictions, instances, stored = scene(seed, m, n)
    made = QualityAwareModule()(predictions, [instances])
    assert made.masks.shape == (n, SIZE[0] // STRIDE, SIZE[1] // STRIDE)
    expected = reference(predictions, instances, stored.masks)
    for i, (pixels, quality, valid, count) in enumerate(expected):
        assert {tuple(p) for p in made.masks[i].nonzero().tolist()} == pixels
        assert made.quality[i].item() == pytest.approx(quality, abs=1e-5)
        assert bool(made.valid[i]) == valid
        assert int(made.candidates[i]) == count


@given(SEEDS, st.integers(1, 20), st.integers(1, 6), st.integers(1, 30))
def test_masks_are_asked_for_sparingly(seed: int, m: int, n: int, chunk: int) -> None:
    predictions, instances, stored = scene(seed, m, n)
    module = QualityAwareModule(max_masks_per_chunk=chunk)
    ranked = module.rank(predictions, [instances])
    made = module(predictions, [instances])
    # Each candidate of each object once, a bounded number at a time.
    assert torch.equal(torch.cat(stored.asked), ranked.indices[ranked.valid])
    for indices in stored.asked:
        assert len(indices) <= max(chunk, ranked.valid.shape[1])
    whole = QualityAwareModule(max_masks_per_chunk=10_000)
    stored.asked.clear()
    assert_same(whole(predictions, [instances]), made)
    assert len(stored.asked) == 1


@given(SEEDS, st.integers(1, 20), st.integers(0, 5))
def test_order_is_irrelevant(seed: int, m: int, n: int) -> None:
    predictions, instances, stored = scene(seed, m, n)
    made = QualityAwareModule()(predictions, [instances])
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(n, generator=generator)
    moved = QualityAwareModule()(predictions, [instances[order]])
    assert_same(
        moved,
        PseudoMasks(
            probabilities=made.probabilities[order],
            threshold=made.threshold,
            masks=made.masks[order],
            quality=made.quality[order],
            scores=made.scores[order],
            valid=made.valid[order],
            candidates=made.candidates[order],
        ),
    )
    order = torch.randperm(m, generator=generator)
    shuffled = replace(
        predictions,
        boxes=predictions.boxes[order],
        scores=predictions.scores[order],
        classes=predictions.classes[order],
        masks_of=StoredMasks(stored.masks[order]),
    )
    assert_same(QualityAwareModule()(shuffled, [instances]), made)


def test_agreement_of_candidates_is_told_in_evaluation_mode() -> None:
    predictions, instances, stored = scene(3, 12, 4)
    module = QualityAwareModule(max_masks_per_chunk=3)  # several chunks
    trained = module(predictions, [instances])
    assert trained.agreement is not None and trained.agreement.isnan().all()
    told = module.eval()(predictions, [instances])
    assert_same(told, trained)
    ranked = module.rank(predictions, [instances])
    inside = box_masks(instances.gt_boxes.tensor, STRIDE, *stored.masks.shape[1:])
    masks = stored.masks[ranked.indices]
    expected = candidate_agreement(masks, ranked.valid, inside, module.mask_threshold)
    assert told.agreement is not None and (told.agreement > 0).any()
    torch.testing.assert_close(told.agreement, expected, equal_nan=True)


@given(SEEDS, st.integers(1, 12), st.integers(0, 4))
def test_a_box_that_is_proposed_once_per_class_is_one_candidate(seed: int, m: int, n: int) -> None:
    predictions, instances, stored = scene(seed, m, n)
    made = QualityAwareModule()(predictions, [instances])
    # The same boxes and masks again, as predictions of other classes that are less likely.
    generator = torch.Generator().manual_seed(seed)
    less = predictions.scores * torch.rand(m, generator=generator) * 0.99
    order = torch.randperm(2 * m, generator=generator)
    copied = replace(
        predictions,
        counts=[2 * m],
        boxes=predictions.boxes.repeat(2, 1)[order],
        scores=torch.cat((predictions.scores, less))[order],
        classes=torch.cat((predictions.classes, predictions.classes + 1))[order],
        masks_of=StoredMasks(stored.masks.repeat(2, 1, 1)[order]),
    )
    assert_same(QualityAwareModule()(copied, [instances]), made)


def test_equal_boxes_of_predictions_said_to_be_distinct_are_candidates_of_their_own() -> None:
    predictions, instances, stored = scene(3, 4, 1)
    twice = replace(
        predictions,
        counts=[8],
        boxes=predictions.boxes.repeat(2, 1),
        scores=predictions.scores.repeat(2),
        classes=predictions.classes.repeat(2),
        masks_of=StoredMasks(torch.cat((stored.masks, 1 - stored.masks))),
    )
    ranker = QualityAwareModule(FixedTopK(8))
    every = ranker.rank(replace(twice, distinct=True), [instances])
    distinct = ranker.rank(twice, [instances])
    assert every.valid.sum() == 2 * distinct.valid.sum() > 0
    assert sorted((every.indices[every.valid] % 4).tolist()) == sorted(
        2 * (distinct.indices[distinct.valid] % 4).tolist()
    )


def test_ranking_alone_takes_the_best_box_with_weight_1() -> None:
    predictions, instances, stored = scene(3, 15, 4)
    module = QualityAwareModule(fusion=BestCandidate(), scoring=EqualQuality())
    made = module(predictions, [instances])
    first = QualityAwareModule(FixedTopK(1), fusion=BestCandidate()).rank(predictions, [instances])
    rows, columns = box_profiles(instances.gt_boxes.tensor, STRIDE, *stored.masks.shape[1:])
    inside = rows[:, :, None] & columns[:, None]
    assert torch.equal(made.masks, (stored.masks[first.indices[:, 0]] > 0.5) & inside)
    assert made.quality.tolist() == made.valid.float().tolist()
    assert made.candidates.tolist() == [1] * 4
    assert len(torch.cat(stored.asked)) <= 4


def test_fusion_without_scoring_has_weight_1() -> None:
    predictions, instances, _ = scene(3, 15, 4)
    scored = QualityAwareModule()(predictions, [instances])
    equal = QualityAwareModule(scoring=EqualQuality())(predictions, [instances])
    assert torch.equal(equal.masks, scored.masks)
    assert equal.quality.tolist() == equal.valid.float().tolist()
    assert (scored.quality[scored.valid] < 1).all()


def released_module() -> QualityAwareModule:
    return QualityAwareModule(
        FixedTopK(20),
        ConfidentSameClass(),
        MajorityVote(),
        VoteAgreement(),
        candidate_boxes=EveryPrediction(),
    )


def one_object_of_class_1() -> Instances:
    """In an image of 4 x 8 pixels, with a box of 8 x 8."""
    image_objects = Instances((4, 8))
    image_objects.gt_boxes = Boxes(torch.tensor([[0.0, 0, 8, 8]]))
    image_objects.gt_classes = torch.tensor([1])
    return image_objects


def test_candidates_that_share_no_pixel_leave_a_score_but_no_pseudo_mask() -> None:
    # Each of the two candidates has the majority nowhere: one vote of two in either cell. Nothing
    # is left to score, and the mean box score is (0.6 + 0.8) / 2.
    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 7]])
    predictions = TeacherPredictions(
        boxes=boxes,
        scores=torch.tensor([0.6, 0.8]),
        classes=torch.tensor([1, 1]),
        counts=[2],
        image_sizes=[(4, 8)],
        original_scales=[1.0],
        mask_stride=4,
        masks_of=StoredMasks(torch.tensor([[[0.9, 0.1]], [[0.1, 0.9]]])),
        suppressed=lambda: [torch.arange(0)],
    )
    made = released_module()(predictions, [one_object_of_class_1()])
    assert not made.masks.any()
    assert made.quality.tolist() == [0]
    assert made.valid.tolist() == [False]
    assert made.candidates.tolist() == [2]
    assert made.scores.tolist() == pytest.approx([0.7])


def test_released_parts_together() -> None:
    # Two candidates pass: the second is of another class, the third has an IoU of 1 / 2. The vote
    # needs both: only the first cell. Areas: a = 1.8 / 1 x 1 / 2 and 0.8 / 1 x 1 / 1.
    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 8], [0, 0, 8, 4], [0, 0, 8, 7]])
    masks = torch.tensor([[[0.9, 0.9]], [[1.0, 1.0]], [[1.0, 1.0]], [[0.8, 0.4]]])
    predictions = TeacherPredictions(
        boxes=boxes,
        scores=torch.tensor([0.6, 0.9, 0.9, 0.2]),
        classes=torch.tensor([1, 2, 1, 1]),
        counts=[4],
        image_sizes=[(4, 8)],
        original_scales=[1.0],
        mask_stride=4,
        masks_of=StoredMasks(masks),
        suppressed=lambda: [torch.arange(0)],
    )
    made = released_module()(predictions, [one_object_of_class_1()])
    assert made.masks.tolist() == [[[True, False]]]
    assert made.candidates.tolist() == [2]
    expected = ((0.8 * 0.9) ** 0.5 + (0.6 * 0.8) ** 0.5) / 2
    assert made.quality.tolist() == pytest.approx([expected])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_teacher(dtype: torch.dtype) -> None:
    predictions, instances, stored = scene(11, 12, 3, dtype)
    halves = replace(
        predictions, boxes=predictions.boxes.to(dtype), scores=predictions.scores.to(dtype)
    )
    made = QualityAwareModule()(halves, [instances])
    assert made.quality.dtype == dtype
    # The object's boxes are rounded too where they are compared with rounded ones.
    rounded = Instances(SIZE)
    rounded.gt_boxes = Boxes(instances.gt_boxes.tensor.to(dtype).float())
    rounded.gt_classes = instances.gt_classes
    exact = QualityAwareModule().rank(
        replace(halves, boxes=halves.boxes.float(), scores=halves.scores.float()), [rounded]
    )
    assert torch.equal(QualityAwareModule().rank(halves, [instances]).indices, exact.indices)
    assert stored.masks.dtype == dtype


def test_no_gradient_reaches_the_teacher() -> None:
    predictions, instances, stored = scene(2, 8, 2)
    stored.masks.requires_grad_()
    made = QualityAwareModule()(predictions, [instances])
    assert not made.quality.requires_grad


def test_it_is_a_pseudo_labeller() -> None:
    labeller: PseudoLabeller = QualityAwareModule(AdaptiveTopK())
    predictions, instances, _ = scene(0, 0, 2)
    made = labeller(predictions, [instances])
    assert not made.valid.any()
    assert not made.masks.any()
    assert made.quality.tolist() == made.scores.tolist() == [0, 0]
    assert made.candidates.tolist() == [0, 0]


def test_chunk_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="max_masks_per_chunk"):
        QualityAwareModule(max_masks_per_chunk=0)
