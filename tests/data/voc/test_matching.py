"""Which instance is which object."""

from __future__ import annotations

import numpy as np
import pytest

from boxseg.data.voc.devkit import VocObject
from boxseg.data.voc.label_images import Instance
from boxseg.data.voc.matching import match

PERSON, CHAIR = 15, 9


def thing(category: int, *corners: float) -> VocObject:
    return VocObject(category, (corners[0], corners[1], corners[2], corners[3]), False)


def instance(label: int, category: int | None, *corners: float) -> Instance:
    """An instance whose pixels reach from the first to the last of VOC's corners."""
    xmin, ymin, xmax, ymax = corners
    bounds = [xmin - 1, ymin - 1, xmax - xmin + 1, ymax - ymin + 1]
    return Instance(label, category, {}, 1, bounds)


def test_numbers_agree_with_the_xml() -> None:
    objects = [thing(PERSON, 1, 1, 10, 10), thing(CHAIR, 20, 20, 30, 30)]
    instances = [instance(1, PERSON, 2, 2, 9, 9), instance(2, CHAIR, 21, 21, 29, 29)]
    assert match(objects, instances) == {0: 0, 1: 1}


def test_overlap_decides_where_the_xml_was_reordered() -> None:
    objects = [thing(PERSON, 20, 20, 30, 30), thing(PERSON, 1, 1, 10, 10)]
    instances = [instance(1, PERSON, 2, 2, 9, 9), instance(2, PERSON, 21, 21, 29, 29)]
    assert match(objects, instances) == {0: 1, 1: 0}


def test_the_number_decides_between_boxes_that_hardly_differ() -> None:
    """Two persons, one before the other: box 1 fits instance 2 a hair better."""
    objects = [thing(PERSON, 1, 1, 100, 100), thing(PERSON, 1, 1, 100, 98)]
    instances = [instance(1, PERSON, 1, 1, 100, 98), instance(2, PERSON, 1, 1, 100, 99)]
    # Overlaps: (1, 1) 98 %, (1, 2) 99 %, (2, 1) 100 %, (2, 2) 98/99: crosswise 1.99, as numbered
    # 1.97 and 2 x 0.1 for the numbers.
    assert match(objects, instances) == {0: 0, 1: 1}


def test_another_class_is_never_matched_but_an_unknown_one_may_be() -> None:
    objects = [thing(PERSON, 1, 1, 10, 10)]
    assert match(objects, [instance(1, CHAIR, 1, 1, 10, 10)]) == {}
    assert match(objects, [instance(1, None, 1, 1, 10, 10)]) == {0: 0}


def test_little_overlap_is_enough_only_for_the_same_number() -> None:
    """A 20 x 20 object, void but for 4 x 4 pixels: 16 / 400 = 0.04 of overlap."""
    objects = [thing(PERSON, 1, 1, 20, 20)]
    assert match(objects, [instance(1, PERSON, 9, 9, 12, 12)]) == {0: 0}
    assert match(objects, [instance(2, PERSON, 9, 9, 12, 12)]) == {}
    assert match(objects, [instance(1, PERSON, 21, 1, 30, 20)]) == {}


def test_nothing_to_match() -> None:
    assert match([], []) == {}
    assert match([thing(PERSON, 1, 1, 2, 2)], []) == {}
    assert match([], [instance(1, None, 1, 1, 2, 2)]) == {}


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_objects_find_their_own_instances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = [(k * 30 + 1, 1, k * 30 + 40, 60) for k in range(6)]  # neighbours share 10 of 40
    order = rng.permutation(6).tolist()
    objects = [thing(PERSON, *corners[k]) for k in order]
    instances = [instance(k + 1, PERSON, *corners[k]) for k in range(6)]
    assert match(objects, instances) == dict(enumerate(order))
