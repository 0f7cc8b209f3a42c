"""Greedy one-to-one assignment by boxes."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import box_iou

from baselines.box_assignment import BoxAssignment, GreedyAssignment, assign_greedily
from baselines.boxteacher_released import ReleasedAssignment
from boxseg.errors import InputError

SEEDS = st.integers(0, 2**32 - 1)


def assigned_in(
    assign: BoxAssignment, pred_boxes: Tensor, scores: Tensor, gt_boxes: Tensor
) -> list[int]:
    """The assignment of one image."""
    (found,) = assign(pred_boxes[None], scores[None], gt_boxes[None])
    return [int(place) for place in found]


def greedily(pred_boxes: Tensor, scores: Tensor, gt_boxes: Tensor, **options: float) -> list[int]:
    """`assign_greedily` in one image."""
    return assigned_in(partial(assign_greedily, **options), pred_boxes, scores, gt_boxes)


def columns(*ends: tuple[float, float]) -> Tensor:
    """Boxes of height 10 between two x: their IoUs are those of the intervals."""
    return torch.tensor([[x0, 0.0, x1, 10.0] for x0, x1 in ends])


def crowd(seed: int, count: int, objects: int) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions that compete for overlapping objects, with scores that are often equal."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(objects, 2, generator=generator) * 10
    gt_boxes = torch.cat((corners, corners + 20), dim=1).round()
    source = torch.randint(0, max(objects, 1), (count,), generator=generator)
    noise = torch.randn(count, 4, generator=generator) * 2
    pred_boxes = (gt_boxes[source] if objects else torch.zeros(count, 4)) + noise.round()
    scores = torch.randint(0, 9, (count,), generator=generator) / 10
    return pred_boxes, scores, gt_boxes


def one_after_another(
    pred_boxes: Tensor, scores: Tensor, gt_boxes: Tensor, released: bool = False
) -> list[int]:
    """The assignment as the paper has it; as released, mark 0 is no mark and score 0 is enough."""
    ious = box_iou(pred_boxes, gt_boxes).tolist()
    marks = [-1] * len(gt_boxes)
    for prediction in sorted(range(len(scores)), key=lambda p: -scores[p].item()):
        if scores[prediction] <= 0 and not released:
            continue
        best = None
        for index, iou in enumerate(ious[prediction]):
            taken = marks[index] > 0 if released else marks[index] >= 0
            if not taken and iou >= 0.5 and (best is None or iou >= ious[prediction][best]):
                best = index
        if best is not None:
            marks[best] = prediction
    return marks


def test_best_score_chooses_first_and_the_next_takes_what_is_left() -> None:
    # Objects [0, 10] and [2, 12]. Prediction 1 (0.9) is [1, 12]: IoU 9/12 with the first, 10/11
    # with the second, which it takes. Prediction 0 (0.8) is [2, 12] itself, but that is taken:
    # it falls back on the first, IoU 8/12. Prediction 2 (0.7) fits the first perfectly, too late.
    gt_boxes = columns((0, 10), (2, 12))
    pred_boxes = columns((2, 12), (1, 12), (0, 10))
    assert greedily(pred_boxes, torch.tensor([0.8, 0.9, 0.7]), gt_boxes) == [0, 1]
    # With the scores the other way round everyone gets the best.
    assert greedily(pred_boxes, torch.tensor([0.8, 0.7, 0.9]), gt_boxes) == [2, 0]


def test_a_chain_of_displacements() -> None:
    # Everyone's first choice goes to the better-scored neighbour: 0 takes c, 1 has to take b
    # instead of c, 2 has to take a instead of b, and nothing is left for 3.
    gt_boxes = columns((0, 10), (2, 12), (4, 14))
    pred_boxes = columns((4, 14), (3.5, 13.5), (2.5, 11.5), (0, 10))
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    assert greedily(pred_boxes, scores, gt_boxes) == [2, 1, 0]


def test_thresholds() -> None:
    # [0, 5] covers exactly half of [0, 10].
    gt_boxes = columns((0, 10), (20, 30))
    pred_boxes = columns((0, 5), (20, 30))
    scores = torch.tensor([0.3, 0.4])
    assert greedily(pred_boxes, scores, gt_boxes) == [0, 1]
    assert greedily(pred_boxes, scores, gt_boxes, iou_threshold=0.51) == [-1, 1]
    assert greedily(pred_boxes, scores, gt_boxes, score_threshold=0.3) == [-1, 1]
    # A prediction whose mask is empty has score 0 and keeps nobody from an object.
    assert greedily(pred_boxes, torch.zeros(2), gt_boxes) == [-1, -1]


def test_ties_go_to_the_later_object_and_the_earlier_prediction() -> None:
    gt_boxes = columns((0, 10), (0, 10), (0, 10))
    pred_boxes = columns((0, 10), (1, 11))
    assert greedily(pred_boxes, torch.tensor([0.5, 0.5]), gt_boxes) == [-1, 1, 0]


@pytest.mark.parametrize(("count", "objects"), [(0, 0), (0, 3), (3, 0)])
@pytest.mark.parametrize("assign", [GreedyAssignment(), ReleasedAssignment()])
def test_nothing_to_assign(assign: GreedyAssignment, count: int, objects: int) -> None:
    given = torch.rand(2, count, 4), torch.rand(2, count), torch.rand(2, objects, 4)
    assigned = assign(*given)
    assert assigned.dtype == torch.int64
    assert assigned.tolist() == [[-1] * objects] * 2


@given(SEEDS, st.integers(0, 40), st.integers(0, 8))
def test_all_at_once_is_one_after_another(seed: int, count: int, objects: int) -> None:
    pred_boxes, scores, gt_boxes = crowd(seed, count, objects)
    wanted = one_after_another(pred_boxes, scores, gt_boxes)
    assert greedily(pred_boxes, scores, gt_boxes) == wanted
    wanted = one_after_another(pred_boxes, scores, gt_boxes, released=True)
    assert assigned_in(ReleasedAssignment(), pred_boxes, scores, gt_boxes) == wanted


@given(SEEDS, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=4))
def test_padded_images_do_not_disturb_each_other(seed: int, sizes: list[tuple[int, int]]) -> None:
    images = [crowd(seed + place, *size) for place, size in enumerate(sizes)]
    boxes = pad_sequence([boxes for boxes, _, _ in images], batch_first=True)
    scores = pad_sequence([s for _, s, _ in images], batch_first=True, padding_value=-1.0)
    objects = pad_sequence([gt_boxes for _, _, gt_boxes in images], batch_first=True)
    for assign in (GreedyAssignment(), ReleasedAssignment()):
        together = assign(boxes, scores, objects).tolist()
        for found, image in zip(together, images, strict=True):
            alone = assigned_in(assign, *image)
            assert found == alone + [-1] * (len(found) - len(alone))


@given(SEEDS, st.integers(0, 40), st.integers(0, 8), st.sampled_from([0.3, 0.5, 0.9]))
def test_one_to_one_above_the_thresholds(
    seed: int, count: int, objects: int, iou_threshold: float
) -> None:
    pred_boxes, scores, gt_boxes = crowd(seed, count, objects)
    options = {"iou_threshold": iou_threshold, "score_threshold": 0.2}
    assigned = torch.tensor(greedily(pred_boxes, scores, gt_boxes, **options), dtype=torch.long)
    found = (assigned >= 0).nonzero().squeeze(1)
    chosen = assigned[found]
    assert len(chosen.unique()) == len(chosen)
    ious = box_iou(pred_boxes, gt_boxes)
    assert (ious[chosen, found] >= iou_threshold).all()
    assert (scores[chosen] > 0.2).all()
    # Nobody free could have had an object that stayed free.
    idle = torch.ones(count, dtype=torch.bool)
    idle[chosen] = False
    left = ious[idle & (scores > 0.2)][:, assigned < 0]
    assert (left < iou_threshold).all()


@given(SEEDS, st.integers(1, 30), st.integers(1, 6))
def test_order_of_predictions_does_not_matter(seed: int, count: int, objects: int) -> None:
    pred_boxes, _, gt_boxes = crowd(seed, count, objects)
    generator = torch.Generator().manual_seed(seed)
    scores = (1 + torch.randperm(count, generator=generator)) / count
    order = torch.randperm(count, generator=generator)
    assigned = greedily(pred_boxes, scores, gt_boxes)
    shuffled = greedily(pred_boxes[order], scores[order], gt_boxes)
    back = torch.cat((order, torch.tensor([-1])))[shuffled]
    assert back.tolist() == assigned


def test_released_slip() -> None:
    # Both predictions are nearest to the one object: the better one is prediction 0, so the other
    # takes the object from it.
    gt_boxes = columns((0, 10))
    pred_boxes = columns((0, 10), (1, 11))
    scores = torch.tensor([0.9, 0.8])
    assert assigned_in(GreedyAssignment(), pred_boxes, scores, gt_boxes) == [0]
    assert assigned_in(ReleasedAssignment(), pred_boxes, scores, gt_boxes) == [1]
    # Coming second, prediction 0 finds the object taken.
    assert assigned_in(ReleasedAssignment(), pred_boxes, scores.flip(0), gt_boxes) == [1]


def test_released_assignment_of_an_empty_mask() -> None:
    # Predictions 0 and 1 are nearest to the first object, prediction 2 is the second object. An
    # empty mask makes a score of exactly 0, which is not below the threshold of 0: prediction 1
    # still takes the first object from prediction 0, and prediction 2 the second.
    gt_boxes = columns((0, 10), (20, 30))
    pred_boxes = columns((0, 10), (1, 11), (20, 30))
    scores = torch.tensor([0.9, 0.0, 0.0])
    assert assigned_in(GreedyAssignment(), pred_boxes, scores, gt_boxes) == [0, -1]
    assert assigned_in(ReleasedAssignment(), pred_boxes, scores, gt_boxes) == [1, 2]
    # Below a threshold there is no part to take, at it there is (0.25 is exact in binary).
    raised = ReleasedAssignment(score_threshold=0.25)
    assert assigned_in(raised, pred_boxes, scores, gt_boxes) == [0, -1]
    scores = torch.tensor([0.9, 0.25, 0.0])
    assert assigned_in(raised, pred_boxes, scores, gt_boxes) == [1, -1]


@pytest.mark.parametrize(
    "arguments", [{"iou_threshold": 0.0}, {"iou_threshold": 1.1}, {"score_threshold": 1.0}]
)
def test_thresholds_out_of_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(arguments))} of the pseudo mask assignment"):
        GreedyAssignment(**arguments)
