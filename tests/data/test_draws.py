"""The order in which training images are drawn."""

from __future__ import annotations

import os
import signal
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.structures import BoxMode
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from boxseg.data.draws import Draws, training_batches
from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import TrainingMapper
from boxseg.errors import InputError


def record(number: int, file_name: str = "absent.png", boxes: int = 1) -> dict[str, Any]:
    box = {"bbox": [1, 2, 5, 6], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0, "iscrowd": 0}
    return {
        "file_name": file_name,
        "height": 10,
        "width": 14,
        "image_id": number,
        "annotations": [box] * boxes,
    }


def mapper() -> TrainingMapper:
    return TrainingMapper(ImageReader("RGB"), [8, 10, 12], 40, flip=True, with_masks=False)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Five images on disk, every pixel of them random."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    made = []
    for number in range(5):
        file = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (10, 14, 3), dtype=np.uint8)).save(file)
        made.append(record(number, str(file)))
    return made


def batches(
    records: list[dict[str, Any]], first: int, last: int, workers: int = 0, seed: int = 3
) -> list[list[dict[str, Any]]]:
    return list(training_batches(records, mapper(), seed, 2, first, last, workers))


def assert_same(ours: list[list[dict[str, Any]]], theirs: list[list[dict[str, Any]]]) -> None:
    assert [[x["image_id"] for x in batch] for batch in ours] == [
        [x["image_id"] for x in batch] for batch in theirs
    ]
    for mine, other in zip(chain(*ours), chain(*theirs), strict=True):
        assert torch.equal(mine["image"], other["image"])
        assert torch.equal(mine["instances"].gt_boxes.tensor, other["instances"].gt_boxes.tensor)


@given(size=st.integers(1, 12), number=st.integers(0, 5), seed=st.integers(0, 2**32 - 1))
def test_every_pass_draws_every_image_once(size: int, number: int, seed: int) -> None:
    draws = Draws([record(n) for n in range(size)], mapper(), seed)
    drawn = [draws.record_index(number * size + position) for position in range(size)]
    assert sorted(drawn) == list(range(size))


def test_passes_and_seeds_have_orders_of_their_own() -> None:
    def order(seed: int, number: int) -> list[int]:
        draws = Draws([record(n) for n in range(50)], mapper(), seed)
        return [draws.record_index(number * 50 + position) for position in range(50)]

    orders = [order(0, 0), order(0, 1), order(1, 0), order(1, 1)]
    assert len(set(map(tuple, orders))) == 4


@given(before=st.lists(st.integers(0, 40), max_size=4), draw=st.integers(0, 40))
def test_a_draw_does_not_depend_on_those_before_it(
    records: list[dict[str, Any]], before: list[int], draw: int
) -> None:
    used = Draws(records, mapper(), seed=7)
    for other in before:
        used[other]
    assert_same([[used[draw]]], [[Draws(records, mapper(), seed=7)[draw]]])


def test_global_random_numbers_do_not_matter_and_are_not_used(
    records: list[dict[str, Any]],
) -> None:
    first = batches(records, 0, 3)
    torch.manual_seed(123)
    np.random.seed(123)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert_same(batches(records, 0, 3), first)
    # A resumed run starts a loader that the run never stopped does not start, and yet has to go
    # on with the same random numbers.
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def test_augmentation_differs_between_passes(records: list[dict[str, Any]]) -> None:
    images = [Draws(records[:1], mapper(), seed=0)[draw]["image"] for draw in range(12)]
    # One image, three sizes, flipped or not: six different pictures of it, all met in 12 draws.
    assert len({(image.shape, image.numpy().tobytes()) for image in images}) == 6


def test_worker_processes_give_the_same_batches(records: list[dict[str, Any]]) -> None:
    assert_same(batches(records, 0, 4, workers=2), batches(records, 0, 4))


class Ending(TrainingMapper):
    """Comes to an end at its second image, as `how` says."""

    how: str
    done = 0

    def __call__(self, record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        self.done += 1
        if self.done > 1:
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "full":
                raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>")
            raise InputError("image a.png cannot be read; restore it.")
        return super().__call__(record, rng)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("killed", r"^a process that loads images was ended from outside \(.*(killed|exited)"),
        ("full", r"^the 1 processes that load images ran out of shared memory .*workers=0"),
        ("refused", r"^image a\.png cannot be read; restore it\.$"),
    ],
)
def test_how_a_worker_process_ends_is_told(
    records: list[dict[str, Any]], how: str, said: str
) -> None:
    ending = Ending(ImageReader("RGB"), [8], 40, flip=True, with_masks=False)
    ending.how = how
    drawn = training_batches(records, ending, 3, 2, 0, 4, 1)
    with pytest.raises(InputError, match=said):
        list(drawn)


def test_a_later_first_batch_gives_the_tail(records: list[dict[str, Any]]) -> None:
    whole = batches(records, 0, 6)
    assert [len(batch) for batch in whole] == [2] * 6
    assert_same(batches(records, 4, 6), whole[4:])
    assert batches(records, 6, 6) == []


def test_seeds_differ(records: list[dict[str, Any]]) -> None:
    ours = [x["image_id"] for batch in batches(records, 0, 6) for x in batch]
    theirs = [x["image_id"] for batch in batches(records, 0, 6, seed=4) for x in batch]
    assert ours != theirs


def test_images_without_a_box_are_left_out(records: list[dict[str, Any]]) -> None:
    bare = [{**records[0], "annotations": []}, *records[1:]]
    assert {x["image_id"] for batch in batches(bare, 0, 8) for x in batch} == {1, 2, 3, 4}


def test_no_image_with_a_box_is_an_error() -> None:
    with pytest.raises(InputError, match="none of the training images has a usable box"):
        training_batches([record(0, boxes=0)], mapper(), 0, 2, 0, 1)


@pytest.mark.parametrize("ranks", [1, 2, 3, 6])
def test_processes_share_the_images_of_a_batch(records: list[dict[str, Any]], ranks: int) -> None:
    whole = list(training_batches(records, mapper(), 3, 6, 1, 4))
    shares = [
        list(training_batches(records, mapper(), 3, 6, 1, 4, rank=rank, ranks=ranks))
        for rank in range(ranks)
    ]
    assert {len(batch) for share in shares for batch in share} == {6 // ranks}
    together = [list(chain(*parts)) for parts in zip(*shares, strict=True)]
    assert_same(together, whole)


def test_a_batch_that_cannot_be_shared(records: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="a batch of 6 images cannot be shared equally among 4"):
        training_batches(records, mapper(), 3, 6, 0, 1, rank=0, ranks=4)
