"""Box-Quality Ranking: who is a candidate, in which order, and how many there are."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from boxseg.errors import InputError
from boxseg.quality_aware import (
    AdaptiveTopK,
    FixedTopK,
    OverlapFloor,
    RankedCandidates,
    TopKLinearInArea,
    adaptive_top_k,
    box_quality_ranking,
    top_k_linear_in_area,
)

COUNTS = st.integers(0, 6)
SEEDS = st.integers(0, 2**32 - 1)


def boxes(count: int, generator: torch.Generator) -> Tensor:
    corners = torch.rand(count, 2, generator=generator) * 20
    return torch.cat((corners, corners + 1 + torch.rand(count, 2, generator=generator) * 20), dim=1)


def test_best_boxes_first_by_hand() -> None:
    # The object is 10 x 10. Moved by 5: 50 / 150. Its left half: 50 / 100. Itself: 1. Far off: 0.
    gt = torch.tensor([[0.0, 0, 10, 10]])
    pred = torch.tensor([[5.0, 0, 15, 10], [0, 0, 5, 10], [0, 0, 10, 10], [50, 50, 60, 60]])
    indices, ious, valid = box_quality_ranking(pred, gt, 3)
    assert indices.tolist() == [[2, 1, 0]]
    assert ious[0].tolist() == pytest.approx([1, 1 / 2, 1 / 3])
    assert valid.tolist() == [[True, True, True]]


def test_each_object_has_its_own_k() -> None:
    pred = torch.tensor([[0.0, 0, 10, 10], [0, 0, 9, 10], [0, 0, 8, 10]])
    gt = torch.tensor([[0.0, 0, 10, 10], [0, 0, 8, 10]])
    indices, _, valid = box_quality_ranking(pred, gt, torch.tensor([1, 3]))
    assert indices[1].tolist() == [2, 1, 0]
    assert valid.tolist() == [[True, False, False], [True, True, True]]


def test_equal_boxes_keep_their_order() -> None:
    pred = torch.tensor([[0.0, 0, 5, 10]] + [[0.0, 0, 10, 10]] * 40)
    indices, _, _ = box_quality_ranking(pred, torch.tensor([[0.0, 0, 10, 10]]), 41)
    assert indices[0].tolist() == [*range(1, 41), 0]


@pytest.mark.parametrize("count", [0, 2])
def test_fewer_predictions_than_k(count: int) -> None:
    pred = torch.tensor([[0.0, 0, 10, 10], [0, 0, 5, 10]])[:count]
    indices, ious, valid = box_quality_ranking(pred, torch.tensor([[0.0, 0, 10, 10]] * 3), 4)
    assert indices.shape == ious.shape == valid.shape == (3, 4)
    assert valid.tolist() == [[place < count for place in range(4)]] * 3
    assert not ious[~valid].any()
    assert not indices[~valid].any()


@pytest.mark.parametrize("top_k", [5, torch.zeros(0, dtype=torch.int64)])
def test_image_without_objects(top_k: int | Tensor) -> None:
    indices, ious, valid = box_quality_ranking(torch.rand(3, 4), torch.zeros(0, 4), top_k)
    assert indices.shape == ious.shape == valid.shape == (0, 5 if isinstance(top_k, int) else 0)


def test_boxes_without_area_overlap_nothing() -> None:
    pred = torch.tensor([[3.0, 3, 3, 3], [0, 0, 10, 10]])
    indices, ious, _ = box_quality_ranking(pred, torch.tensor([[3.0, 3, 3, 3], [0, 0, 10, 10]]), 2)
    assert ious.tolist() == [[0, 0], [1, 0]]
    assert indices[1].tolist() == [1, 0]


def test_negative_k() -> None:
    with pytest.raises(ValueError, match="negative"):
        box_quality_ranking(torch.rand(3, 4), torch.rand(2, 4), torch.tensor([1, -1]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_types_and_strides(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    pred, gt = boxes(9, generator).to(dtype), boxes(4, generator).to(dtype)
    indices, ious, valid = box_quality_ranking(pred, gt, 5)
    assert ious.dtype == dtype
    strided = box_quality_ranking(pred.T.contiguous().T, gt.repeat_interleave(2, dim=0)[::2], 5)
    exact = box_quality_ranking(pred.float(), gt.float(), 5)
    for ours, other, reference in zip((indices, ious, valid), strided, exact, strict=True):
        assert torch.equal(ours, other)
        assert torch.equal(ours, reference.to(ours.dtype))


@given(SEEDS, COUNTS, COUNTS, st.integers(0, 9))
def test_it_is_the_top_of_the_sorted_ious(seed: int, m: int, n: int, k: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pred, gt = boxes(m, generator), boxes(n, generator)
    indices, ious, valid = box_quality_ranking(pred, gt, k)
    for i, (x0, y0, x1, y1) in enumerate(gt.tolist()):
        overlaps = []
        for a0, b0, a1, b1 in pred.tolist():
            common = max(min(x1, a1) - max(x0, a0), 0) * max(min(y1, b1) - max(y0, b0), 0)
            overlaps.append(common / ((x1 - x0) * (y1 - y0) + (a1 - a0) * (b1 - b0) - common))
        assert ious[i][valid[i]].tolist() == pytest.approx(sorted(overlaps)[::-1][:k], abs=1e-5)
        assert [overlaps[j] for j in indices[i][valid[i]]] == pytest.approx(
            ious[i][valid[i]].tolist(), abs=1e-5
        )


@given(SEEDS, COUNTS, COUNTS, st.integers(1, 9))
def test_order_of_objects_and_predictions_is_irrelevant(seed: int, m: int, n: int, k: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pred, gt = boxes(m, generator), boxes(n, generator)
    top_k = torch.randint(1, k + 1, (n,), generator=generator)
    indices, ious, valid = box_quality_ranking(pred, gt, top_k)
    objects = torch.randperm(n, generator=generator)
    for ours, expected in zip(
        box_quality_ranking(pred, gt[objects], top_k[objects]),
        (indices[objects], ious[objects], valid[objects]),
        strict=True,
    ):
        assert torch.equal(ours, expected)
    predictions = torch.randperm(m, generator=generator)
    moved, moved_ious, moved_valid = box_quality_ranking(pred[predictions], gt, top_k)
    assert torch.equal(moved_ious, ious)
    assert torch.equal(moved_valid, valid)
    distinct = valid & (ious > 0)  # several boxes that overlap nothing are equally bad
    assert torch.equal(predictions[moved[distinct]], indices[distinct])


def test_adaptive_k_by_hand() -> None:
    # K = 2 + 8 (side - 32) / 64: 64 gives 2 + 8 / 2 = 6, 40 gives 3, 41 gives 3.125, 45 gives
    # 3.625; 36 gives 2.5 and 44 gives 3.5, which go to the even number.
    sides = torch.tensor([0.0, 31, 32, 36, 40, 41, 44, 45, 64, 96, 97, 1e4])
    assert adaptive_top_k(sides**2).tolist() == [2, 2, 2, 2, 3, 3, 4, 4, 6, 10, 10, 10]


def test_adaptive_k_with_other_bounds() -> None:
    # 3 + 4 (side - 10) / 20: 20 gives 5.
    areas = torch.tensor([100.0, 400, 900])
    assert adaptive_top_k(areas, 3, 7, 100, 900).tolist() == [3, 5, 7]
    assert AdaptiveTopK(3, 7, 100, 900)(areas).tolist() == [3, 5, 7]
    assert FixedTopK(4)(areas).tolist() == [4, 4, 4]
    assert FixedTopK(4)(areas).dtype == adaptive_top_k(areas).dtype == torch.int64


def test_the_other_reading_of_adaptive_k_by_hand() -> None:
    # K = 2 + 8 (area - 1,024) / 8,192: 2,048 gives 3, 64 x 64 gives 5, 1,536 gives 2.5 and so 2.
    areas = torch.tensor([0.0, 1024, 1536, 2048, 64**2, 8192, 9216, 1e8])
    assert top_k_linear_in_area(areas).tolist() == [2, 2, 2, 3, 5, 9, 10, 10]
    assert TopKLinearInArea()(areas).tolist() == [2, 2, 2, 3, 5, 9, 10, 10]
    assert TopKLinearInArea(3, 7, 100, 900)(torch.tensor([100, 500, 900])).tolist() == [3, 5, 7]
    assert (adaptive_top_k(areas) >= top_k_linear_in_area(areas)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64])
def test_adaptive_k_types(dtype: torch.dtype) -> None:
    areas = torch.tensor([100.0, 64**2, 200**2]).to(dtype)
    assert adaptive_top_k(areas).tolist() == [2, 6, 10]


def test_adaptive_k_of_no_object() -> None:
    assert adaptive_top_k(torch.zeros(0)).shape == (0,)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 5), st.integers(0, 12))
def test_adaptive_k_grows_with_the_area(areas: list[float], k_min: int, more: int) -> None:
    counts = adaptive_top_k(torch.tensor(sorted(areas)), k_min, k_min + more)
    assert (counts.diff() >= 0).all()
    assert counts.min() >= k_min
    assert counts.max() <= k_min + more


@pytest.mark.parametrize("wrong", [(0, 5), (6, 5), (2, 10, 50, 50), (2, 10, -1, 50)])
def test_wrong_bounds_are_named(wrong: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="adaptive number of candidates"):
        AdaptiveTopK(*wrong)
    with pytest.raises(InputError, match="adaptive number of candidates"):
        TopKLinearInArea(*wrong)
    with pytest.raises(InputError, match="at least one candidate"):
        FixedTopK(0)


def test_a_floor_under_the_overlap() -> None:
    ious = torch.tensor([[0.9, 0.5, 0.49, 0.7]])
    nothing = torch.zeros_like(ious)
    valid = torch.tensor([[True, True, True, False]])
    ranked = RankedCandidates(nothing.long(), ious, nothing, nothing.bool(), valid)
    assert OverlapFloor(0.5)(ranked).tolist() == [[True, True, False, False]]
    with pytest.raises(InputError, match=r"min_iou is 1\.5"):
        OverlapFloor(1.5)
