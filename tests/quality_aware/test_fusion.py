"""Quality-aware Masks Fusion, Eq. 2."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from boxseg.quality_aware import BestCandidate, RankedCandidates, WeightedFusion, fuse_masks
from boxseg.quality_aware.fusion import candidate_agreement

SEEDS = st.integers(0, 2**32 - 1)
SMALL = st.integers(0, 5)


def candidates(
    seed: int, n: int, k: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random masks (n, k, 3, 4), scores, IoUs and validity; some IoUs are 0."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(n, k, 3, 4, generator=generator)
    scores = torch.rand(n, k, generator=generator)
    ious = (torch.rand(n, k, generator=generator) * 1.2 - 0.2).clamp(min=0)
    valid = torch.rand(n, k, generator=generator) < 0.7
    return masks.to(dtype), scores.to(dtype), ious.to(dtype), valid


def test_equation_2_by_hand() -> None:
    # sqrt(0.64 x 0.81) = 0.72 and sqrt(0.2 x 0.162) = 0.18 make the weights 0.8 and 0.2; the third
    # candidate's score is not above 0.1, the fourth is not valid.
    scores = torch.tensor([[0.64, 0.2, 0.1, 0.9]])
    ious = torch.tensor([[0.81, 0.162, 1.0, 1.0]])
    valid = torch.tensor([[True, True, True, False]])
    masks = torch.tensor([[[[1.0, 0.5]], [[0.5, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]]]])
    fused, weights = fuse_masks(masks, scores, ious, valid, 0.1)
    assert weights[0].tolist() == pytest.approx([0.8, 0.2, 0, 0])
    # 0.8 x 1 + 0.2 x 0.5 = 0.9 and 0.8 x 0.5 + 0.2 x 0 = 0.4.
    assert fused.flatten().tolist() == pytest.approx([0.9, 0.4])


def test_no_candidate_above_the_threshold() -> None:
    masks, _, ious, _ = candidates(0, 2, 3)
    scores = torch.tensor([[0.1, 0.05, 0.0], [0.1, 0.05, 0.2]])
    fused, weights = fuse_masks(masks, scores, ious.clamp(min=0.1), torch.ones(2, 3).bool(), 0.1)
    assert not fused[0].any()
    assert weights[0].tolist() == [0, 0, 0]
    assert torch.equal(fused[1], masks[1, 2])


def test_a_box_that_misses_the_object_has_no_say() -> None:
    masks, _, _, _ = candidates(0, 1, 2)
    scores, ious = torch.tensor([[0.9, 0.9]]), torch.tensor([[0.5, 0.0]])
    _, weights = fuse_masks(masks, scores, ious, torch.ones(1, 2).bool(), 0.1)
    assert weights.tolist() == [[1, 0]]
    _, weights = fuse_masks(masks, scores, 0 * ious, torch.ones(1, 2).bool(), 0.1)
    assert weights.tolist() == [[0, 0]]


@pytest.mark.parametrize(("n", "k"), [(0, 3), (2, 0), (0, 0)])
def test_nothing_to_fuse(n: int, k: int) -> None:
    fused, weights = fuse_masks(*candidates(0, n, k), 0.1)
    assert fused.shape == (n, 3, 4)
    assert weights.shape == (n, k)
    assert not fused.any()


@given(SEEDS, SMALL, SMALL, st.floats(0, 1))
def test_weights_and_range(seed: int, n: int, k: int, threshold: float) -> None:
    masks, scores, ious, valid = candidates(seed, n, k)
    fused, weights = fuse_masks(masks, scores, ious, valid, threshold)
    used = valid & (scores > threshold) & (ious > 0)
    assert torch.equal(weights > 0, used)
    some = used.any(dim=1)
    torch.testing.assert_close(weights.sum(dim=1), some.float())
    assert not fused[~some].any()
    lowest = torch.where(used[:, :, None, None], masks, torch.inf).amin(dim=1) if k else fused
    highest = torch.where(used[:, :, None, None], masks, -torch.inf).amax(dim=1) if k else fused
    assert (fused[some] >= lowest[some] - 1e-6).all()
    assert (fused[some] <= highest[some] + 1e-6).all()


@given(SEEDS, SMALL, SMALL)
def test_order_of_candidates_and_objects_is_irrelevant(seed: int, n: int, k: int) -> None:
    inputs = candidates(seed, n, k)
    fused, weights = fuse_masks(*inputs, 0.1)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(k, generator=generator)
    again, moved = fuse_masks(*(x[:, order] for x in inputs), 0.1)
    torch.testing.assert_close(again, fused)
    torch.testing.assert_close(moved, weights[:, order])
    objects = torch.randperm(n, generator=generator)
    again, moved = fuse_masks(*(x[objects] for x in inputs), 0.1)
    torch.testing.assert_close(again, fused[objects])
    torch.testing.assert_close(moved, weights[objects])


@given(SEEDS, SMALL, SMALL, st.floats(0, 0.3))
def test_a_candidate_below_the_threshold_changes_nothing(
    seed: int, n: int, k: int, score: float
) -> None:
    masks, scores, ious, valid = candidates(seed, n, k)
    fused, weights = fuse_masks(masks, scores, ious, valid, 0.3)
    more = (
        torch.cat((masks, torch.ones(n, 1, 3, 4)), dim=1),
        torch.cat((scores, torch.full((n, 1), score)), dim=1),
        torch.cat((ious, torch.ones(n, 1)), dim=1),
        torch.cat((valid, torch.ones(n, 1).bool()), dim=1),
    )
    again, longer = fuse_masks(*more, 0.3)
    torch.testing.assert_close(again, fused)
    torch.testing.assert_close(longer[:, :k], weights)
    assert not longer[:, k].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_types_and_strides(dtype: torch.dtype) -> None:
    masks, scores, ious, valid = candidates(5, 3, 4, dtype)
    fused, weights = fuse_masks(masks, scores, ious, valid, 0.1)
    assert fused.dtype == weights.dtype == dtype
    exact, exact_weights = fuse_masks(masks.float(), scores.float(), ious.float(), valid, 0.1)
    assert torch.equal(fused, exact.to(dtype))
    assert torch.equal(weights, exact_weights.to(dtype))
    strided = (
        masks.transpose(0, 3).contiguous().transpose(0, 3),
        scores.T.contiguous().T,
        ious.repeat_interleave(2, dim=1)[:, ::2],
        valid.T.contiguous().T,
    )
    assert not any(x.is_contiguous() for x in strided)
    again, again_weights = fuse_masks(*strided, 0.1)
    assert torch.equal(again, fused)
    assert torch.equal(again_weights, weights)


def test_autocast_costs_no_precision() -> None:
    inputs = candidates(5, 3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        fused, _ = fuse_masks(*inputs, 0.1)
    assert torch.equal(fused, fuse_masks(*inputs, 0.1)[0])


def ranked(scores: Tensor, ious: Tensor, valid: Tensor) -> RankedCandidates:
    return RankedCandidates(torch.zeros_like(valid).long(), ious, scores, valid, valid)


@given(SEEDS, SMALL, SMALL)
def test_weighted_fusion_uses_what_has_a_weight(seed: int, n: int, k: int) -> None:
    masks, scores, ious, valid = candidates(seed, n, k)
    fusion = WeightedFusion(0.3)
    fused, weights = fuse_masks(masks, scores, ious, valid, 0.3)
    used = fusion.uses(ranked(scores, ious, valid))
    assert torch.equal(used, weights > 0)
    blanked = masks * used[:, :, None, None]
    torch.testing.assert_close(fusion(blanked, ranked(scores, ious, used)), fused)


def test_best_candidate_is_the_first_valid_one_that_touches() -> None:
    masks, scores, _, _ = candidates(1, 3, 3)
    ious = torch.tensor([[0.9, 0.8, 0.7], [0.9, 0.8, 0.0], [0.0, 0.0, 0.0]])
    valid = torch.tensor([[True, True, True], [False, True, True], [True, True, True]])
    used = BestCandidate().uses(ranked(scores, ious, valid))
    assert used.tolist() == [[True, False, False], [False, True, False], [False] * 3]
    fused = BestCandidate()(masks, ranked(scores, ious, used))
    assert torch.equal(fused[0], masks[0, 0])
    assert torch.equal(fused[1], masks[1, 1])
    assert not fused[2].any()


def test_agreement_is_the_mean_overlap_of_pairs_of_candidates() -> None:
    # In the box, the left three of four pixels: {0, 1}, {1, 2} and {1} have IoUs of 1/3, 1/2, 1/2.
    masks = torch.tensor([[[[0.9, 0.6, 0, 0.9]], [[0, 0.7, 0.8, 0]], [[0.5, 0.6, 0.2, 0.9]]]])
    inside = torch.tensor([[[True, True, True, False]]])
    every, two = torch.ones(1, 3).bool(), torch.tensor([[True, False, True]])
    assert candidate_agreement(masks, every, inside, 0.5).tolist() == pytest.approx([4 / 9])
    assert candidate_agreement(masks, two, inside, 0.5).tolist() == pytest.approx([1 / 2])
    assert candidate_agreement(masks, every & False, inside, 0.5).isnan().all()
    assert candidate_agreement(masks, torch.tensor([[True, False, False]]), inside, 0.5).isnan()


@given(SEEDS, SMALL, st.integers(2, 5))
def test_equal_candidates_agree_wholly_whatever_is_not_valid(seed: int, n: int, k: int) -> None:
    masks, _, _, valid = candidates(seed, n, k)
    inside = torch.ones(n, 3, 4).bool()
    alike = torch.where(valid[:, :, None, None], masks[:, :1], masks)
    agreement = candidate_agreement(alike, valid, inside, 0.5)
    several = valid.sum(dim=1) > 1
    assert torch.equal(agreement.isnan(), ~several)
    some = (masks[:, 0] > 0.5).flatten(1).any(dim=1)
    assert torch.equal(agreement[several], some[several].float())
