from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from boxseg.peer_copy_paste.placement import OverlappingPlace, RandomPlace
from tests.peer_copy_paste.scenes import sample_with


def offsets(
    place: OverlappingPlace, box: list[float], size: tuple[int, int], image: tuple[int, int]
) -> tuple[list[int], list[int]]:
    lowest, highest = place.offsets(torch.tensor([box]), size, image)
    return lowest[0].tolist(), highest[0].tolist()


def test_offsets_by_hand() -> None:
    # Tutor 20 wide and 10 high: 2 columns and 1 row must overlap. Over [30, 40] x [5, 25]:
    # x from 30 + 2 - 20 = 12 to 40 - 2 = 38; y from 5 + 1 - 10 = -4, so 0, to 25 - 1 = 24.
    assert offsets(OverlappingPlace(0.1), [30, 5, 40, 25], (10, 20), (60, 100)) == (
        [12, 0],
        [38, 24],
    )
    # In an image 50 wide and 30 high the tutor's own size limits them to 30 and 20.
    assert offsets(OverlappingPlace(0.1), [30, 5, 40, 25], (10, 20), (30, 50)) == (
        [12, 0],
        [30, 20],
    )


def test_a_learner_narrower_than_the_share_cannot_be_overlapped() -> None:
    lowest, highest = offsets(OverlappingPlace(0.1), [30, 5, 31.9, 25], (10, 20), (60, 100))
    assert lowest[0] > highest[0]


@given(
    image=st.integers(8, 40),
    start=st.floats(0, 30),
    length=st.floats(0.1, 20),
    tutor=st.integers(1, 30),
    share=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]),
)
def test_offsets_are_exactly_those_that_overlap_enough(
    image: int, start: float, length: float, tutor: int, share: float
) -> None:
    # Quarters of pixels keep the arithmetic exact but for the share of the tutor's width.
    start = min(round(start * 4) / 4, image - 1)
    end = min(round((start + length) * 4) / 4, image)
    tutor = min(tutor, image)
    needed = share * tutor
    enough = [
        x
        for x in range(image - tutor + 1)
        if min(x + tutor, end) - max(x, start) >= needed - 1e-9
        # Touching from outside by nothing is an overlap of 0, further away is less.
    ]
    place = OverlappingPlace(share)
    lowest, highest = offsets(place, [start, start, end, end], (tutor, tutor), (image, image))
    drawable = list(range(lowest[0], highest[0] + 1))
    # The very edge of the condition may round either way.
    edge = {x for x in enough if min(x + tutor, end) - max(x, start) < needed + 1e-9}
    assert set(drawable) <= set(enough)
    assert set(enough) - edge <= set(drawable)


def test_random_place_reaches_every_place() -> None:
    sample = sample_with([], (6, 7))
    random = torch.Generator().manual_seed(0)
    nobody = torch.zeros(0, dtype=torch.bool)
    seen = {RandomPlace()(sample, nobody, (4, 5), random) for _ in range(300)}
    assert seen == {(x, y) for x in range(3) for y in range(3)}


def test_learners_are_drawn_uniformly_or_by_lowest_quality() -> None:
    boxes = [[0, 0, 10, 10], [40, 0, 50, 10], [80, 0, 90, 10]]
    sample = sample_with(boxes, (20, 100), quality=[0.9, 0.6, 0.7])
    everyone = torch.ones(3, dtype=torch.bool)

    def learners(place: OverlappingPlace, candidates: torch.Tensor) -> list[int]:
        random = torch.Generator().manual_seed(0)
        found = []
        for _ in range(300):
            offset = place(sample, candidates, (5, 5), random)
            assert offset is not None
            # Learners are 30 apart, so the tutor of width 5 touches one of them only.
            found.append(round(offset[0] / 40))
        return [found.count(i) for i in range(3)]

    # 100 each, sd 8.2.
    assert all(abs(n - 100) < 41 for n in learners(OverlappingPlace(), everyone))
    assert learners(OverlappingPlace(learner="lowest-quality"), everyone) == [0, 300, 0]
    assert learners(OverlappingPlace(), torch.tensor([False, False, True])) == [0, 0, 300]


def test_no_place_without_a_fit_learner() -> None:
    random = torch.Generator().manual_seed(0)
    empty = sample_with([], (20, 20))
    nobody = torch.zeros(0, dtype=torch.bool)
    for learner in ("any", "lowest-quality"):
        place = OverlappingPlace(learner=learner)  # type: ignore[arg-type]
        assert place(empty, nobody, (5, 5), random) is None
    tiny = sample_with([[4, 4, 5, 5]], (20, 20))
    assert OverlappingPlace(0.1)(tiny, torch.tensor([True]), (15, 15), random) is None
