from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from boxseg.copy_paste import CopyPaste, TrainingSample
from boxseg.errors import InputError
from boxseg.peer_copy_paste import OrdinaryCopyPaste, PeerCopyPaste, ReleasedCopyPaste
from tests.peer_copy_paste.scenes import assert_same, random_sample, sample_with

BATCHES = 40


def certain(**options: Any) -> PeerCopyPaste:
    """Pastes into every image, at once, also small objects."""
    return PeerCopyPaste(**{"probability": 1.0, "warmup_iterations": 0, "min_area": 0.0, **options})


def makers() -> dict[str, CopyPaste]:
    return {
        "peer": certain(probability=0.6, seed=3),
        "ordinary": OrdinaryCopyPaste(seed=3),
        "released": ReleasedCopyPaste(min_area=10, min_visible_area=10, capacity=5, seed=3),
    }


def batches(seed: int) -> list[list[TrainingSample]]:
    rng = np.random.default_rng(seed)
    return [[random_sample(rng), random_sample(rng)] for _ in range(BATCHES)]


def run(
    copy_paste: CopyPaste, scenes: list[list[TrainingSample]], first: int = 1
) -> list[TrainingSample]:
    results = []
    for iteration, batch in enumerate(scenes, first):
        results.extend(copy_paste(batch, iteration)[0])
    return results


@pytest.mark.parametrize("name", list(makers()))
def test_the_seed_determines_everything(name: str) -> None:
    scenes = batches(0)
    once, again = run(makers()[name], scenes), run(makers()[name], scenes)
    for one, other in zip(once, again, strict=True):
        assert_same(one, other)
    assert any(sample.pasted.any() for sample in once)


def test_another_seed_pastes_otherwise() -> None:
    scenes = batches(0)
    once, again = run(certain(seed=1), scenes), run(certain(seed=2), scenes)
    assert any(not torch.equal(a.image, b.image) for a, b in zip(once, again, strict=True))


def test_global_generators_play_no_part() -> None:
    scenes = batches(0)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    for copy_paste in makers().values():
        run(copy_paste, scenes)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])  # type: ignore[index]


@pytest.mark.parametrize("name", list(makers()))
def test_a_resumed_run_goes_on_as_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    scenes, half = batches(1), BATCHES // 2
    whole = makers()[name]
    run(whole, scenes[:half])
    torch.save(whole.state_dict(), tmp_path / "state.pth")
    uninterrupted = run(whole, scenes[half:], half + 1)

    resumed = makers()[name]
    run(resumed, scenes[:3])
    resumed.load_state_dict(torch.load(tmp_path / "state.pth", weights_only=True))
    for one, other in zip(uninterrupted, run(resumed, scenes[half:], half + 1), strict=True):
        assert_same(one, other)
    assert any(sample.pasted.any() for sample in uninterrupted)


def test_nothing_is_pasted_from_an_empty_bank_nor_into_its_own_batch() -> None:
    copy_paste = certain()
    batch = [sample_with([[0, 0, 10, 10]], (20, 20)) for _ in range(3)]
    outcomes, statistics = copy_paste(batch, 1)
    assert all(outcome is sample for outcome, sample in zip(outcomes, batch, strict=True))
    assert statistics == {"pastes": 0, "bank_size": 3}
    outcomes, statistics = copy_paste(batch, 2)
    assert statistics == {"pastes": 3, "bank_size": 6}


def test_the_tutor_keeps_class_quality_and_score() -> None:
    copy_paste = certain()
    copy_paste([sample_with([[0, 0, 6, 6]], (20, 20), [0.8], [0.7], [4], image_value=9)], 1)
    (outcome,), _ = copy_paste([sample_with([[5, 5, 15, 15]], (20, 20))], 2)
    assert outcome.pasted.tolist() == [False, True]
    assert outcome.classes.tolist() == [0, 4]
    assert float(outcome.quality[1]) == pytest.approx(0.8)
    assert float(outcome.scores[1]) == pytest.approx(0.7)
    assert int(outcome.image.sum()) == 3 * 36 * 9


def test_random_selection_takes_bad_and_overlapping_objects() -> None:
    # Two boxes of IoU 1/3 and qualities below 0.5, and an object without a pseudo mask.
    sample = sample_with(
        [[0, 0, 10, 10], [5, 0, 15, 10], [0, 12, 5, 19]],
        (20, 20),
        quality=[0.2, 0.3, 0.0],
        scores=[0.2, 0.3, 0.0],
        valid=[True, True, False],
    )
    chosen, anyone = certain(), certain(select="random", paste="random")
    assert chosen([sample], 1)[1]["bank_size"] == 0
    assert anyone([sample], 1)[1]["bank_size"] == 2


def test_a_random_place_needs_no_object_an_overlap_does() -> None:
    source = sample_with([[0, 0, 6, 6]], (20, 20))
    for paste, count in (("random", 1), ("overlapped", 0)):
        copy_paste = certain(paste=paste)
        copy_paste([source], 1)
        (outcome,), _ = copy_paste([sample_with([], (20, 20))], 2)
        assert len(outcome) == count


def test_the_same_class_only() -> None:
    source = sample_with([[0, 0, 6, 6], [10, 10, 16, 16]], (20, 20), classes=[1, 2])
    for seed in range(10):
        copy_paste = certain(same_class=True, seed=seed)
        copy_paste([source], 1)
        boxes = [[0, 0, 5, 5], [14, 14, 20, 20]]
        target = sample_with(boxes, (20, 20), quality=[0.1, 0.1], classes=[3, 2])
        (outcome,), _ = copy_paste([target], 2)
        assert outcome.classes.tolist()[-1] == 2
        # The learner is the second object: the tutor of 6 px reaches x = 14 by 0.6 px at least.
        assert float(outcome.boxes[-1, 2]) >= 14.6
        (outcome,), _ = copy_paste([sample_with([[0, 0, 5, 5]], (20, 20), classes=[3])], 3)
        assert len(outcome) == 1


def test_single_use_and_reuse() -> None:
    source = sample_with([[0, 0, 6, 6]], (20, 20), quality=[0.9])
    target = sample_with([[5, 5, 15, 15]], (20, 20), quality=[0.1])
    for single_use, pastes in ((True, [1, 0]), (False, [1, 1])):
        copy_paste = certain(single_use=single_use)
        copy_paste([source], 1)
        assert [copy_paste([target], t)[1]["pastes"] for t in (2, 3)] == pastes


def test_the_probability_grows_linearly() -> None:
    # Probability 0.5 x 500 / 1000 = 0.25 of 800: 200, sd 12.2; from 1000 on 400, sd 14.1.
    copy_paste = certain(probability=0.5, warmup_iterations=1000, seed=4)
    copy_paste([sample_with([[0, 0, 6, 6]], (20, 20))], 0)
    target = [sample_with([[5, 5, 15, 15]], (20, 20), quality=[0.1])] * 800
    assert copy_paste(target, 0)[1]["pastes"] == 0
    assert abs(copy_paste(target, 500)[1]["pastes"] - 200) < 61
    assert abs(copy_paste(target, 5000)[1]["pastes"] - 400) < 71


def test_a_tutor_larger_than_the_image_shows_a_window() -> None:
    copy_paste = certain(min_area=300.0)
    copy_paste([sample_with([[0, 0, 40, 30]], (40, 40))], 1)
    (outcome,), _ = copy_paste([sample_with([[5, 5, 15, 15]], (20, 20), quality=[0.1])], 2)
    # The window of 20 x 20 = 400 px covers the image and the learner, which is dropped.
    assert outcome.boxes.tolist() == [[0, 0, 20, 20]]
    # 15 x 15 = 225 px do not exceed the area that is asked for.
    (outcome,), _ = copy_paste([sample_with([[5, 5, 15, 15]], (15, 15), quality=[0.1])], 3)
    assert outcome.pasted.tolist() == [False]


def test_ordinary_copy_paste_needs_another_image() -> None:
    sample = sample_with([[0, 0, 6, 6]], (20, 20))
    copy_paste = OrdinaryCopyPaste(probability=1.0, share=1.0)
    assert copy_paste([sample], 1) == ([sample], {"pastes": 0})
    other = sample_with([[10, 10, 26, 16], [21, 0, 26, 5]], (26, 26), classes=[1, 2])
    outcomes, statistics = copy_paste([sample, other], 1)
    # Of the first object 10 of 16 columns are inside the smaller image, of the second none.
    assert outcomes[0].boxes.tolist() == [[0, 0, 6, 6], [10, 10, 20, 16]]
    assert outcomes[1].boxes.tolist() == [[10, 10, 26, 16], [21, 0, 26, 5], [0, 0, 6, 6]]
    assert statistics == {"pastes": 2}


def test_released_rate_falls_instead_of_rising() -> None:
    # No paste with probability 0.7 at the end: 0.3 x 400 = 120 pastes, sd 9.2.
    for iteration, low, high in ((0, 400, 400), (10_000, 75, 165)):
        copy_paste = ReleasedCopyPaste(min_area=0, min_visible_area=0, seed=1)
        pasted = 0
        for _ in range(400):
            copy_paste.bank.entries[(0,)] = sample_with([[0, 0, 6, 6]], (20, 20))
            target = sample_with([[5, 5, 15, 15]], (20, 20), quality=[0.1])
            (outcome,), _ = copy_paste([target], iteration)
            pasted += bool(outcome.pasted.any())
        # A shift may leave nothing inside the image, so not every try succeeds.
        assert low * 0.9 <= pasted <= high


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": "best"}, "select is 'best'"),
        ({"paste": "nowhere"}, "paste is 'nowhere'"),
        ({"learner": "worst"}, "learner is 'worst'"),
        ({"probability": 1.5}, "probability is 1.5"),
        ({"min_overlap": -0.1}, "min_overlap is -0.1"),
        ({"capacity": 0}, "capacity is 0"),
    ],
)
def test_unknown_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PeerCopyPaste(**options)


def test_other_unknown_settings_are_refused() -> None:
    with pytest.raises(InputError, match="kind is 'box'"):
        ReleasedCopyPaste(kind="box")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="share is 2"):
        OrdinaryCopyPaste(share=2)
