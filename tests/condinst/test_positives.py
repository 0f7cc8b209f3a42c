"""Which positives get a mask."""

from __future__ import annotations

from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st

from boxseg.condinst.positives import RandomPositives, TopPositives


def test_quotas_by_hand() -> None:
    # Image 0: objects 0 (three positives) and 2 (one) share 4 places, 2 each; object 1 has no
    # positive and takes no share. Image 1: object 3 has all 4 places for its five positives.
    image_index = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
    object_index = torch.tensor([0, 2, 0, 0, 3, 3, 3, 3, 3])
    scores = torch.tensor([0.1, 0.05, 0.9, 0.5, 0.3, 0.7, 0.2, 0.6, 0.4])
    kept = TopPositives(4)(scores, object_index, image_index)
    assert sorted(kept.tolist()) == [1, 2, 3, 4, 5, 7, 8]


def test_every_object_has_a_place_even_when_there_are_too_many() -> None:
    # Three objects share 2 places: 2 // 3 = 0, but each gets its best.
    scores = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    kept = TopPositives(2)(scores, torch.tensor([0, 0, 1, 1, 2, 2]), torch.zeros(6).long())
    assert sorted(kept.tolist()) == [1, 3, 5]


def test_equal_scores_keep_their_order() -> None:
    kept = TopPositives(2)(torch.ones(4), torch.zeros(4).long(), torch.zeros(4).long())
    assert kept.tolist() == [0, 1]


def test_no_positives() -> None:
    none = torch.zeros(0)
    for sampler in (TopPositives(4), RandomPositives(4)):
        kept = sampler(none, none.long(), none.long())
        assert kept.dtype == torch.int64
        assert kept.tolist() == []


@given(
    image_of_object=st.lists(st.integers(0, 3), min_size=1, max_size=8).map(sorted),
    draws=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 20)), min_size=1, max_size=40),
    per_image=st.integers(1, 12),
)
def test_shares(image_of_object: list[int], draws: list[tuple[int, int]], per_image: int) -> None:
    owners = [owner % len(image_of_object) for owner, _ in draws]
    scores = [score for _, score in draws]
    images = [image_of_object[owner] for owner in owners]
    kept = TopPositives(per_image)(
        torch.tensor(scores).float(), torch.tensor(owners), torch.tensor(images)
    ).tolist()
    assert len(set(kept)) == len(kept)
    sharing = Counter(image_of_object[owner] for owner in set(owners))
    for owner in set(owners):
        quota = max(per_image // sharing[image_of_object[owner]], 1)
        own = [i for i in range(len(owners)) if owners[i] == owner]
        taken = [i for i in own if i in kept]
        assert len(taken) == min(quota, len(own))
        left = [scores[i] for i in own if i not in kept]
        assert min(scores[i] for i in taken) >= max(left, default=-1)


def test_random_positives_keep_all_when_they_fit() -> None:
    indices = torch.zeros(5).long()
    assert RandomPositives(5)(torch.rand(5), indices, indices).tolist() == [0, 1, 2, 3, 4]


def test_random_positives_draw_without_favour() -> None:
    indices = torch.zeros(10).long()
    sampler = RandomPositives(3)
    counts = torch.zeros(10)
    for _ in range(400):
        kept = sampler(torch.linspace(0, 1, 10), indices, indices)
        assert len(set(kept.tolist())) == 3
        counts[kept] += 1
    # 120 expected of each, standard deviation sqrt(400 * 0.3 * 0.7) = 9.2.
    assert (counts - 120).abs().max() < 5 * 9.2
