"""DiscoBox's correspondence, messages and object bank, worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.discobox import Likeness, ObjectBank
from baselines.discobox.correspondence import (
    cell_cosines,
    correspondence_loss,
    enlarged,
    messages,
    smoothed,
    transport,
)
from baselines.discobox.cross_image import put_back
from baselines.discobox.object_bank import StoredObjects, shape_ratios, soft_overlaps

ALL_ALIKE = Likeness(-math.inf, -math.inf, -math.inf, (0.0, math.inf))


def numbered_cells(side: int) -> Tensor:
    """Features (1, S * S, S, S): every cell has a channel of its own."""
    return torch.eye(side**2).reshape(1, side**2, side, side)


def objects(numbers: list[int], classes: list[int]) -> StoredObjects:
    """Objects of 1 x 1 cells that are told apart by their masks."""
    count = len(numbers)
    return StoredObjects(
        torch.ones(count, 1, 1, 1),
        torch.tensor(numbers).reshape(-1, 1, 1) / 100,
        torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(count, 1),
        torch.tensor(classes, dtype=torch.int64),
    )


def numbers_of(stored: StoredObjects) -> list[int]:
    return [round(100 * mask) for mask in stored.masks.flatten().tolist()]


def exchange(
    bank: ObjectBank, numbers: list[int], classes: list[int], stored: list[bool] | None = None
) -> tuple[list[int], list[int]]:
    """Matched ones of new objects, and the numbers of what they found."""
    new = objects(numbers, classes)
    admissible = torch.tensor(stored if stored is not None else [True] * len(numbers))
    matched, found = bank.exchange(new, new, admissible)
    return matched.tolist(), numbers_of(found)


def test_a_shifted_object_corresponds_cell_by_cell() -> None:
    own = numbered_cells(4)
    shifted = own.roll(1, dims=3)  # every cell one to the right; the last column comes first
    cosines = cell_cosines(own, shifted[None])
    pairs = smoothed(cosines, 4)
    cells = torch.arange(16).reshape(4, 4)
    best = pairs[0, 0].argmax(dim=1).reshape(4, 4)
    assert torch.equal(best[:, :3], cells[:, 1:])
    assert torch.equal(pairs.sum(dim=3) > 0.99, torch.ones(1, 1, 16, dtype=torch.bool))


def test_neighbours_outvote_a_wrong_cell() -> None:
    """A cell that looks like two others takes the one that its neighbours' shift leads to."""
    own, other = numbered_cells(5), numbered_cells(5)
    middle = 2 * 5 + 2
    cosines = cell_cosines(own, other[None])
    cosines[0, 0, middle] = 0.0
    cosines[0, 0, middle, middle] = 0.9
    cosines[0, 0, middle, 0] = 1.0
    assert cosines[0, 0, middle].argmax() == 0
    assert smoothed(cosines, 5)[0, 0, middle].argmax() == middle


def test_loss_is_softmaxed_twice() -> None:
    cosines = torch.tensor([[[[0.5, 0.1]]]])
    once = torch.tensor([math.exp(0.5), math.exp(0.1)])
    once = once / once.sum()
    expected = torch.logsumexp(once, 0) - once[1]
    loss = correspondence_loss(cosines, torch.tensor([[[[0.0, 1.0]]]]))
    assert loss.item() == pytest.approx(expected.item())


def test_transport_weighs_pairs_by_their_likeness() -> None:
    cosines, pairs = torch.tensor([[math.log(3), 0.0]]), torch.tensor([[0.2, 0.6]])
    torch.testing.assert_close(
        transport(cosines, pairs), torch.tensor([[0.5, 0.5]]), rtol=1e-4, atol=0
    )


def test_enlarged_keeps_sums_and_is_bilinear_on_both_sides() -> None:
    ways = torch.rand(9, 9)
    fine = enlarged(ways, 3, 6)
    rows = F.interpolate(ways.reshape(9, 1, 3, 3), (6, 6), mode="bilinear").reshape(9, 36)
    both = F.interpolate(rows.T.reshape(36, 1, 3, 3), (6, 6), mode="bilinear").reshape(36, 36).T
    torch.testing.assert_close(fine, both / 4)


def test_message_of_an_identical_object() -> None:
    """Where the two masks agree, cell by cell, it says how sure the other's mask is."""
    side = 2
    ways = torch.eye(4)[None, None]
    own = torch.tensor([[[1.0, 1.0], [0.0, 0.6]]])
    other = torch.tensor([[[1.0, 0.6], [0.0, 0.6]]])
    background, foreground = messages(ways, own, other[None], side)[0]
    # 0.6 x 0.6 and 0.4 x 0.4 are sure of neither; 0.9 and 0.1 are the limits of what is stored.
    torch.testing.assert_close(foreground, torch.tensor([[0.9, 0.6], [0.0, 0.0]]))
    torch.testing.assert_close(background, torch.tensor([[0.0, 0.0], [0.9, 0.0]]))


def test_put_back_resizes_into_the_box() -> None:
    squares = torch.rand(2, 3, 4, 4)
    boxes = torch.tensor([[1.0, 2.0, 7.0, 5.0], [0.0, 0.0, 4.0, 4.0]])
    maps = put_back(squares, boxes, (6, 8))
    expected = torch.zeros(2, 3, 6, 8)
    expected[:1, :, 2:5, 1:7] = F.interpolate(squares[:1], (3, 6), mode="bilinear")
    expected[1:, :, :4, :4] = squares[1:]
    torch.testing.assert_close(maps, expected)


def test_overlap_of_soft_masks() -> None:
    a, b = torch.tensor([[[1.0, 0.5, 0.0]]]), torch.tensor([[[1.0, 0.5, 0.8]]])
    assert soft_overlaps(a, b).item() == pytest.approx(1.25 / 2)  # the third sums to less than 1


def test_shapes_are_the_new_ones_over_the_stored_ones() -> None:
    wide, square = torch.tensor([[0.0, 0.0, 20.0, 10.0]]), torch.tensor([[5.0, 5.0, 9.0, 9.0]])
    assert shape_ratios(wide, square).item() == pytest.approx(2, rel=1e-4)


def test_bank_finds_the_oldest_of_the_class_first() -> None:
    bank = ObjectBank(wanted=2, likeness=ALL_ALIKE)
    assert exchange(bank, [1, 2, 3, 4], [0, 1, 0, 0])[0] == [3]  # sees 1 and 3, before it
    assert exchange(bank, [5, 6], [0, 1], [False, False]) == ([0], [1, 3])


def test_bank_gives_nothing_rather_than_too_little() -> None:
    bank = ObjectBank(wanted=2, likeness=ALL_ALIKE)
    exchange(bank, [1, 2], [0, 1])
    assert exchange(bank, [3], [0]) == ([], [])


def test_bank_forgets_the_oldest_of_each_class_as_they_come() -> None:
    """One batch at once is the same as its objects one after the other."""
    numbers, classes = [1, 2, 3, 4, 5, 6, 7], [0, 0, 1, 0, 0, 1, 0]
    stored = [True, True, True, False, True, True, True]
    at_once = ObjectBank(capacity=2, wanted=2, likeness=ALL_ALIKE)
    one_by_one = ObjectBank(capacity=2, wanted=2, likeness=ALL_ALIKE)
    matched, found = exchange(at_once, numbers, classes, stored)
    pairs = zip(matched, [found[i : i + 2] for i in range(0, len(found), 2)], strict=True)
    singly = []
    for turn, (number, label, keep) in enumerate(zip(numbers, classes, stored, strict=True)):
        hit, of_it = exchange(one_by_one, [number], [label], [keep])
        singly += [(turn, of_it)] * len(hit)
    assert list(pairs) == singly == [(3, [1, 2]), (4, [1, 2]), (6, [2, 5])]
    assert at_once.objects is not None
    assert one_by_one.objects is not None
    assert numbers_of(at_once.objects) == numbers_of(one_by_one.objects) == [3, 5, 6, 7]


def test_bank_goes_on_from_its_state() -> None:
    bank = ObjectBank(wanted=1, likeness=ALL_ALIKE)
    again = ObjectBank(wanted=1, likeness=ALL_ALIKE)
    again.load_state_dict(bank.state_dict())
    assert again.objects is None
    exchange(bank, [1, 2], [0, 1])
    again.load_state_dict(bank.state_dict())
    assert exchange(again, [3], [1], [False]) == exchange(bank, [3], [1], [False]) == ([0], [2])


def test_unlike_objects_are_not_found() -> None:
    bank = ObjectBank(wanted=1, likeness=Likeness(0.7, 0.7, 0.7))
    new = StoredObjects(
        torch.ones(1, 1, 1, 1),
        torch.tensor([[[1.0, 0.0]]]).repeat(1, 2, 1),
        torch.tensor([[0.0, 0.0, 10.0, 10.0]]),
        torch.zeros(1, dtype=torch.int64),
    )
    bank.exchange(new, new, torch.tensor([True]))
    mirrored = StoredObjects(new.features, new.masks.flip(2), new.boxes, new.classes)
    wide = StoredObjects(
        new.features, new.masks, new.boxes * torch.tensor([1, 1, 2, 1]), new.classes
    )
    other = StoredObjects(-new.features, new.masks, new.boxes, new.classes)
    none = torch.tensor([False])
    assert [len(bank.exchange(q, q, none)[0]) for q in (new, mirrored, wide, other)] == [1, 0, 0, 0]


def test_no_objects_say_nothing() -> None:
    none = torch.zeros(0, 2, 4, 4)
    said = messages(none[:, :, :4, :4], none[:, 0], none, 2)
    assert said.shape == (0, 2, 4, 4)
    assert put_back(said, torch.zeros(0, 4), (6, 8)).shape == (0, 2, 6, 8)
