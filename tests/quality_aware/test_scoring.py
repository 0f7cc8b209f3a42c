"""Mask-Quality Scoring, Eq. 5."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from boxseg.quality_aware import mask_quality

SEEDS = st.integers(0, 2**32 - 1)
SMALL = st.integers(0, 5)


def inputs(
    seed: int, n: int, k: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random fused masks (n, 3, 4), scores and validity (n, k), and box masks."""
    generator = torch.Generator().manual_seed(seed)
    fused = torch.rand(n, 3, 4, generator=generator).to(dtype)
    scores = torch.rand(n, k, generator=generator).to(dtype)
    valid = torch.rand(n, k, generator=generator) < 0.7
    boxes = torch.zeros(n, 3, 4, dtype=torch.bool)
    boxes[:, :2, 1:] = True
    return fused, scores, valid, boxes


def test_equation_5_by_hand() -> None:
    # Scores above 0.1 are 0.9 and 0.5: their mean is 0.7. Inside the box the pixels above 0.5 are
    # 0.9 and 0.7: their mean is 0.8; the pixel of 0.5 is not above, that of 0.95 is outside.
    fused = torch.tensor([[[0.9, 0.7, 0.5, 0.95]]])
    boxes = torch.tensor([[[True, True, True, False]]])
    scores = torch.tensor([[0.9, 0.5, 0.1, 0.99]])
    valid = torch.tensor([[True, True, True, False]])
    quality = mask_quality(fused, scores, valid, boxes, 0.1)
    assert quality.tolist() == pytest.approx([(0.7 * 0.8) ** 0.5])
    # With tau_m = 0.8 only the pixel of 0.9 counts.
    quality = mask_quality(fused, scores, valid, boxes, 0.1, pixel_threshold=0.8)
    assert quality.tolist() == pytest.approx([(0.7 * 0.9) ** 0.5])


def test_nothing_counts() -> None:
    fused, scores, valid, boxes = inputs(0, 2, 3)
    assert mask_quality(fused, scores, ~valid & valid, boxes, 0.1).tolist() == [0, 0]
    assert mask_quality(fused * 0.5, scores, valid | ~valid, boxes, 0.0).tolist() == [0, 0]
    assert mask_quality(fused, scores, valid | ~valid, boxes & ~boxes, 0.0).tolist() == [0, 0]


@pytest.mark.parametrize(("n", "k"), [(0, 3), (2, 0), (0, 0)])
def test_no_objects_or_candidates(n: int, k: int) -> None:
    assert mask_quality(*inputs(0, n, k), 0.1).tolist() == [0] * n


def test_the_best_mask_has_quality_1() -> None:
    ones = torch.ones(1, 30, 30)
    for count in range(1, 20):
        quality = mask_quality(ones, torch.ones(1, count), torch.ones(1, count).bool(), ones, 0.1)
        assert quality.item() == 1


@given(SEEDS, SMALL, SMALL, st.floats(0, 1), st.floats(0, 1))
def test_in_the_unit_interval(seed: int, n: int, k: int, tau: float, tau_m: float) -> None:
    quality = mask_quality(*inputs(seed, n, k), tau, tau_m)
    assert ((quality >= 0) & (quality <= 1)).all()


@given(SEEDS, SMALL, SMALL, st.floats(0, 1))
def test_grows_with_scores_and_probabilities(seed: int, n: int, k: int, share: float) -> None:
    fused, scores, valid, boxes = inputs(seed, n, k)
    quality = mask_quality(fused, scores, valid, boxes, 0.1)
    # Only what counts already is raised: a newcomer just above a threshold lowers a mean.
    raised = torch.where(scores > 0.1, scores + share * (1 - scores), scores)
    assert (mask_quality(fused, raised, valid, boxes, 0.1) >= quality - 1e-6).all()
    surer = torch.where(fused > 0.5, fused + share * (1 - fused), fused)
    assert (mask_quality(surer, scores, valid, boxes, 0.1) >= quality - 1e-6).all()


@given(SEEDS, SMALL, SMALL)
def test_order_and_weak_candidates_are_irrelevant(seed: int, n: int, k: int) -> None:
    fused, scores, valid, boxes = inputs(seed, n, k)
    quality = mask_quality(fused, scores, valid, boxes, 0.1)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(k, generator=generator)
    torch.testing.assert_close(
        mask_quality(fused, scores[:, order], valid[:, order], boxes, 0.1), quality
    )
    objects = torch.randperm(n, generator=generator)
    torch.testing.assert_close(
        mask_quality(fused[objects], scores[objects], valid[objects], boxes[objects], 0.1),
        quality[objects],
    )
    weak = torch.cat((scores, torch.full((n, 1), 0.1)), dim=1)
    longer = torch.cat((valid, torch.ones(n, 1).bool()), dim=1)
    torch.testing.assert_close(mask_quality(fused, weak, longer, boxes, 0.1), quality)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_types_and_strides(dtype: torch.dtype) -> None:
    fused, scores, valid, boxes = inputs(7, 4, 3, dtype)
    quality = mask_quality(fused, scores, valid, boxes, 0.1)
    assert quality.dtype == dtype
    exact = mask_quality(fused.float(), scores.float(), valid, boxes, 0.1)
    assert torch.equal(quality, exact.to(dtype))
    strided = (
        fused.transpose(0, 2).contiguous().transpose(0, 2),
        scores.T.contiguous().T,
        valid.T.contiguous().T,
        boxes.to(dtype).transpose(0, 2).contiguous().transpose(0, 2),
    )
    torch.testing.assert_close(mask_quality(*strided, 0.1), quality)
