"""What a network takes of another's weights, and what it keeps of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from boxseg.fine_tuning import FineTunable, same_names, transfer


class Network(FineTunable):
    """A trunk, and a layer each for classes, for their boxes, and for one more than the classes."""

    class_layers: ClassVar[Mapping[str, int]] = {"classes": 1, "boxes": 4, "with_nothing": 1}

    def __init__(self, num_classes: int, fill: float, masks: int = 3) -> None:
        super().__init__()
        self.trunk = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)
        self.classes = nn.Linear(2, num_classes)
        self.boxes = nn.Linear(2, 4 * num_classes, bias=False)
        self.with_nothing = nn.Linear(2, num_classes + 1)
        self.masks = nn.Linear(2, masks)
        self.mask_losses = nn.ModuleDict({"one": nn.Linear(1, 1)})
        with torch.no_grad():
            for place, parameter in enumerate(self.parameters()):
                parameter.copy_(fill + place + torch.arange(parameter.numel()).view_as(parameter))


def rows(tensor: Tensor, per_class: int = 1) -> list[Tensor]:
    return list(tensor.split(per_class))


def test_rows_of_classes_are_taken_by_name_and_all_else_whole() -> None:
    ours, theirs = Network(3, 0.0), Network(2, 1000.0)
    matched = same_names(["cat", "dog", "bird"], ["bird", "cat"])
    assert matched == [(0, 1), (2, 0)]
    own, other = ours.state_dict(), theirs.state_dict()
    taken = transfer(ours, other, matched, 3, 2)
    ours.load_state_dict(taken.state)
    for name in ("trunk.weight", "norm.running_mean", "masks.weight", "masks.bias"):
        assert taken.state[name].equal(other[name]), name
    for name, per_class in {"classes.weight": 1, "classes.bias": 1, "boxes.weight": 4}.items():
        new, mine, its = (rows(state[name], per_class) for state in (taken.state, own, other))
        assert new[0].equal(its[1]) and new[2].equal(its[0]), name
        assert new[1].equal(mine[1]), name
    cat, dog, bird, nothing = rows(taken.state["with_nothing.weight"])
    its = rows(other["with_nothing.weight"])
    assert cat.equal(its[1]) and bird.equal(its[0]) and nothing.equal(its[2])
    assert dog.equal(rows(own["with_nothing.weight"])[1])
    assert taken.by_class == ("classes", "boxes", "with_nothing")
    assert taken.remade == taken.left_out == ()


def test_losses_start_anew() -> None:
    ours, theirs = Network(2, 0.0), Network(2, 1000.0)
    own = ours.state_dict()["mask_losses.one.weight"].clone()
    taken = transfer(ours, theirs.state_dict(), [(0, 0), (1, 1)], 2, 2)
    assert taken.state["mask_losses.one.weight"].equal(own)
    assert taken.taken == len(ours.state_dict()) - 2


def test_a_layer_of_another_shape_is_wholly_made_anew() -> None:
    ours, theirs = Network(2, 0.0, masks=5), Network(2, 1000.0, masks=3)
    theirs.add_module("further", nn.Linear(1, 1))
    taken = transfer(ours, theirs.state_dict(), [(0, 0)], 2, 2)
    assert taken.remade == ("masks",)
    assert taken.left_out == ("further",)
    for name in ("masks.weight", "masks.bias"):
        assert taken.state[name].equal(ours.state_dict()[name])
    assert taken.differing_below("masks") == ["masks"]
    assert taken.differing_below("mask") == []


def test_a_name_that_is_there_twice_is_no_name() -> None:
    assert same_names(["a", "b", "b"], ["b", "a", "c", "c"]) == [(0, 1)]
