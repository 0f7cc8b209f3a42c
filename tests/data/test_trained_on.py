"""What classes mean, where other annotations number or name them otherwise."""

from __future__ import annotations

import pytest

from boxseg.data.entries import Category
from boxseg.data.trained_on import TrainedOn
from boxseg.errors import InputError

OWN = TrainedOn((Category(3, "cat"), Category(7, "dog")), "abc")


def listed(*names: str) -> list[Category]:
    """Categories of these names, with ids from 1."""
    return [Category(number, name) for number, name in enumerate(names, start=1)]


def test_it_comes_out_of_plain_containers_as_it_went_in() -> None:
    assert TrainedOn.of(OWN.content()) == OWN
    assert TrainedOn.of(None) is None


def test_classes_are_found_by_name() -> None:
    assert OWN.ids_in(listed("cat", "dog"), "a.json") == [1, 2]
    assert OWN.ids_in(listed("dog", "cat"), "a.json") == [2, 1]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("cat", "bird"), "1 of its classes missing .first: 'dog'.; 1 unknown to it"),
        (("cat", "dog", "bird"), "trained on: 1 unknown to it .first: 'bird'."),
        (("cat",), "trained on: 1 of its classes missing .first: 'dog'.; name them"),
    ],
)
def test_other_categories(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        OWN.ids_in(listed(*names), "a.json")


def test_a_name_of_two_classes_means_them_by_their_places() -> None:
    twice = TrainedOn((Category(1, "a"), Category(2, "a"), Category(3, "b")), "abc")
    assert twice.ids_in(listed("a", "a", "b"), "a.json") == [1, 2, 3]
    with pytest.raises(InputError, match="are not those that the model was trained on"):
        twice.ids_in(listed("b", "a", "a"), "a.json")
