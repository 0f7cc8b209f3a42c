"""SIM's own copy-paste: what is remembered, where it is pasted, and that it resumes."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from baselines.sim import ImageBankCopyPaste
from baselines.sim.released_copy_paste import ReleasedImageCopyPaste
from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError
from tests.peer_copy_paste.scenes import assert_same, copy_of, random_sample, sample_with
from tools.read_backs import ReadBacks


def square(
    corner: tuple[int, int], side: int = 4, size: tuple[int, int] = (16, 16)
) -> torch.Tensor:
    mask = torch.zeros(size, dtype=torch.bool)
    x, y = corner
    mask[y : y + side, x : x + side] = True
    return mask


def sample(
    corners: list[tuple[int, int]], colour: int, label: int = 0, size: tuple[int, int] = (16, 16)
) -> TrainingSample:
    """Squares of side 4, of quality 0.8, in an image of one colour."""
    count = len(corners)
    boxes = [[x, y, x + 4, y + 4] for x, y in corners]
    return sample_with(boxes, size, [0.8] * count, None, [label] * count, None, colour)


def filled(source: TrainingSample, **words: float) -> ImageBankCopyPaste:
    made = ImageBankCopyPaste(capacity=1, probability=1.0, start_iterations=10, **words)
    made.remember(source)
    return made


def test_objects_keep_their_place() -> None:
    below = sample([(0, 0)], colour=10)
    outcomes, told = filled(sample([(8, 8)], colour=200, label=3))([below], 1)
    (after,) = outcomes
    assert told == {"pastes": 1.0, "bank_size": 1.0}
    assert after.pasted.tolist() == [False, True]
    assert after.classes.tolist() == [0, 3]
    assert after.boxes.tolist() == [[0, 0, 4, 4], [8, 8, 12, 12]]
    assert torch.equal(after.image[0] == 200, square((8, 8)))
    assert torch.equal(after.masks[1], square((8, 8)))
    assert after.quality.tolist() == pytest.approx([0.8, 0.8])
    assert below.image.max() == 10  # the sample itself is as it was


def test_objects_below_lose_what_is_hidden() -> None:
    # The square at (0, 0) loses its two right columns: its box shrinks. The one at (2, 0) lies
    # wholly beneath and goes; what is at (2, 0) afterwards is the pasted one.
    hidden = replace(sample([(0, 0), (2, 0)], colour=10), unsure=torch.zeros(2, 16, 16).bool())
    hidden.unsure[0, 0, :4] = True
    after = filled(sample([(2, 0)], colour=200)).teach(hidden)
    assert after.boxes.tolist() == [[0, 0, 2, 4], [2, 0, 6, 4]]
    assert after.masks[0].sum() == 8
    assert after.pasted.tolist() == [False, True]
    assert after.unsure is not None
    assert after.unsure[0].sum() == 2  # what is hidden is surely not the object
    assert not after.unsure[1].any()


def test_what_falls_outside_is_cut_off() -> None:
    source = sample([(8, 8), (6, 0)], colour=200)
    narrow = sample([(0, 0)], colour=10, size=(16, 8))
    pasting = filled(source, fewest=2, most=2, min_inside=0.4)
    after = pasting.teach(narrow)
    assert after.boxes.tolist() == [[0, 0, 4, 4], [6, 0, 8, 4]]
    assert filled(source, fewest=2, most=2, min_inside=0.6).teach(narrow) is narrow


@pytest.mark.parametrize(("objects", "wanted"), [(1, 1), (3, 1), (4, 2), (7, 3), (12, 3)])
def test_number_of_objects(objects: int, wanted: int) -> None:
    # Half of the objects, rounded down, at least 1 and at most 3; nobody twice.
    corners = [(4 * (i % 4), 4 * (i // 4)) for i in range(objects)]
    after = filled(sample(corners, colour=200)).teach(sample([], colour=10))
    assert len(after) == wanted
    assert len(set(map(tuple, after.boxes.tolist()))) == wanted


def test_good_masks_are_drawn_oftener() -> None:
    # Weights 1 and 0.5^3: the first is drawn with probability 8/9.
    source = replace(sample([(0, 0), (8, 8)], colour=200), quality=torch.tensor([1.0, 0.5]))
    pasting = filled(source)
    firsts = sum(pasting.teach(sample([], colour=10)).boxes[0, 0].item() == 0 for _ in range(500))
    assert firsts / 500 == pytest.approx(8 / 9, abs=0.05)


def test_when_it_remembers_and_when_it_pastes() -> None:
    pasting = ImageBankCopyPaste(capacity=2, probability=1.0, start_iterations=10)
    batch = [sample([(0, 0)], colour=10), sample([], colour=20)]
    pasting(batch, 10)
    assert len(pasting.bank) == 0
    pasting(batch, 11)
    assert len(pasting.bank) == 1  # an image without an object is not remembered
    outcomes, _ = pasting(batch, 12)
    assert outcomes[0] is batch[0]  # the bank was not full
    outcomes, told = pasting(batch, 13)
    assert told["pastes"] == 2
    # What was pasted is never remembered, and images go first in, first out.
    assert [len(image) for image in pasting.bank] == [1, 1]
    invalid = replace(batch[0], valid=torch.tensor([False]))
    pasting.remember(invalid)
    pasting.remember(replace(batch[0], pasted=torch.tensor([True])))
    assert [int(p[0].tutor.pixels.max()) for p in pasting.bank] == [10, 10]


def test_a_resumed_copy_paste_goes_on_alike() -> None:
    rng = np.random.default_rng(0)
    batches = [[random_sample(rng), random_sample(rng)] for _ in range(8)]
    whole = ImageBankCopyPaste(capacity=3, probability=0.7, start_iterations=0, seed=5)
    for iteration, batch in enumerate(batches[:5], start=1):
        whole([copy_of(s) for s in batch], iteration)
    resumed = ImageBankCopyPaste(capacity=3, probability=0.7, start_iterations=0, seed=99)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    pastes = 0.0
    for iteration, batch in enumerate(batches[5:], start=6):
        ours, told = whole(batch, iteration)
        theirs, told_again = resumed(batch, iteration)
        assert told == told_again
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
        pastes += told["pastes"]
    assert pastes > 0


@pytest.mark.parametrize("words", [{"capacity": 0}, {"fewest": 3, "most": 2}, {"probability": 2}])
def test_bad_values_are_refused(words: dict[str, int]) -> None:
    with pytest.raises(InputError):
        ImageBankCopyPaste(**words)


@pytest.mark.parametrize("batch", [2, 8])
@pytest.mark.parametrize("objects", [3, 30])
def test_the_released_one_reads_back_as_little_for_many_as_for_some(
    batch: int, objects: int
) -> None:
    copy_paste = ReleasedImageCopyPaste(capacity=2, probability=1.0)
    corners = [(4 * (i % 8), 4 * (i // 8)) for i in range(objects)]
    given = sample(corners, colour=100, size=(32, 32))
    known = Instances((32, 32), gt_boxes=Boxes(given.boxes), gt_classes=given.classes)
    images = given.image.expand(batch, -1, -1, -1).float()
    instance = torch.ones(batch * objects, 8, 8)
    with ReadBacks() as found:
        copy_paste.remember(images, [known] * batch, instance)
    assert found.total == 1, found
    with ReadBacks() as found:
        outcomes = copy_paste([{"image": given.image, "instances": known}] * batch, 16)
    assert found.total == 1, found
    assert all(x["instances"].pasted.any() for x in outcomes)
