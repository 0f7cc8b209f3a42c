"""The released code's filter, vote and score."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boxseg.quality_aware import RankedCandidates
from boxseg.quality_aware.released import (
    ConfidentSameClass,
    majority_vote_masks,
    released_mask_quality,
)
from tests.golden.released_options import steadiest_thresholds


def test_vote_by_hand() -> None:
    # Columns: how many of the candidates are above 0.5. The third candidate does not vote at first.
    masks = torch.tensor([[[[0.9, 0.6, 0.5]], [[0.8, 0.4, 0.9]], [[0.1, 0.9, 0.9]]]])
    share = majority_vote_masks(masks, torch.tensor([[True, True, False]]))
    assert share.tolist() == [[[1.0, 0.5, 0.5]]]  # half is no majority
    share = majority_vote_masks(masks, torch.tensor([[True, True, True]]))
    assert (share > 0.5).tolist() == [[[True, True, True]]]


def test_score_by_hand() -> None:
    # The vote has 4 pixels. The first candidate has 3 of them and one more, of probability 0.9
    # each: a = 4 x 0.9 / 4 x 3 / 5 = 0.54, and with s = 0.5 sqrt(0.75 x 0.54). The second has two
    # of them, of 0.8: a = 1.6 / 4 x 2 / 4 = 0.2, and with s = 0 sqrt(0.5 x 0.2).
    vote = torch.tensor([[[1, 1, 1, 1, 0, 0]]]).bool()
    masks = torch.tensor([[[[0.9, 0.9, 0.9, 0.1, 0.9, 0.0]], [[0.8, 0.8, 0.5, 0.1, 0.0, 0.0]]]])
    scores = torch.tensor([[0.5, 0.0]])
    quality = released_mask_quality(masks, vote, scores, torch.ones(1, 2).bool())
    expected = ((0.75 * 0.54) ** 0.5 + (0.5 * 0.2) ** 0.5) / 2
    assert quality.tolist() == pytest.approx([expected])
    quality = released_mask_quality(masks, vote, scores, torch.tensor([[True, False]]))
    assert quality.tolist() == pytest.approx([(0.75 * 0.54) ** 0.5])


def test_no_candidate() -> None:
    masks, none = torch.rand(2, 3, 4, 5), torch.zeros(2, 3, dtype=torch.bool)
    share = majority_vote_masks(masks, none)
    assert not share.any()
    assert released_mask_quality(masks, share > 0.5, torch.rand(2, 3), none).tolist() == [0, 0]
    assert steadiest_thresholds(masks, none, torch.zeros(2).long()).tolist() == [0.5, 0.5]
    assert majority_vote_masks(masks[:, :0], none[:, :0]).shape == (2, 4, 5)
    assert majority_vote_masks(masks[:0], none[:0]).shape == (0, 4, 5)
    assert steadiest_thresholds(masks[:0], none[:0], torch.zeros(0).long()).shape == (0,)


@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.integers(0, 4))
def test_score_in_the_unit_interval(seed: int, n: int, k: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(n, k, 3, 4, generator=generator)
    vote = torch.rand(n, 3, 4, generator=generator) < 0.5
    valid = torch.rand(n, k, generator=generator) < 0.7
    quality = released_mask_quality(masks, vote, torch.rand(n, k, generator=generator), valid)
    assert ((quality >= 0) & (quality <= 1)).all()


def test_filter() -> None:
    ious = torch.tensor([[0.9, 0.9, 0.9, 0.5, 0.9]])
    scores = torch.tensor([[0.9, 0.1, 0.9, 0.9, 0.9]])
    same_class = torch.tensor([[True, True, False, True, True]])
    valid = torch.tensor([[True, True, True, True, False]])
    ranked = RankedCandidates(torch.zeros(1, 5).long(), ious, scores, same_class, valid)
    assert ConfidentSameClass()(ranked).tolist() == [[True, False, False, False, False]]
    assert ConfidentSameClass(0.4, 0.0)(ranked).tolist() == [[True, True, False, True, False]]


def test_steadiest_threshold_is_where_candidates_agree() -> None:
    # The class of both objects is the commonest, so 0.4, 0.42, ..., 0.6 are tried. The candidates
    # differ in one pixel: between 0.41 and 0.55 for the first object (they agree at 0.4, which
    # comes before 0.56), between 0.3 and 0.455 for the second (they agree first at 0.46).
    masks = torch.tensor([[[[0.41, 0.9]], [[0.55, 0.9]]], [[[0.3, 0.9]], [[0.455, 0.9]]]])
    valid = torch.ones(2, 2).bool()
    thresholds = steadiest_thresholds(masks, valid, torch.tensor([3, 3]))
    assert thresholds.tolist() == pytest.approx([0.4, 0.46])
    # One of three objects has the second class: r = 1 / 2, and 0.35, 0.37, ... are tried.
    thresholds = steadiest_thresholds(masks[[0, 0, 1]], valid[[0, 0, 1]], torch.tensor([3, 3, 5]))
    assert thresholds.tolist() == pytest.approx([0.4, 0.4, 0.47])
