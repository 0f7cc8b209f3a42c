"""Starting a network from the weights of another, whose classes may be others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

OF_TRAINING = "mask_losses"
"""Of a network's modules the one that belongs to its training; it always starts anew."""


class FineTunable(nn.Module):
    """What is trained, and can start from the weights of another of its kind.

    Attributes:
        class_layers: of a network, the layers that have rows (along the first axis of their
            tensors) for each class: how many for one. They come class by class; what follows the
            last class's is of no class.
    """

    class_layers: ClassVar[Mapping[str, int]] = {}

    @property
    def networks(self) -> tuple[FineTunable, ...]:
        """Its networks, which are alike; the first is the one whose detections are given."""
        return (self,)


@dataclass(frozen=True)
class Transfer:
    """A network's state, as far as possible taken from another's.

    Attributes:
        state: whole, for `load_state_dict`.
        taken: number of tensors that come from the other network, wholly or by class.
        by_class: layers whose rows were matched.
        remade: layers that keep the values they were made with: the other has none of this shape.
        left_out: layers that the other network has alone.
    """

    state: dict[str, Any]
    taken: int
    by_class: tuple[str, ...]
    remade: tuple[str, ...]
    left_out: tuple[str, ...]

    def differing_below(self, module: str) -> list[str]:
        """Layers of a module that the two networks do not share."""
        return [
            name
            for name in (*self.remade, *self.left_out)
            if name == module or name.startswith(f"{module}.")
        ]


def same_names(own: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """The places, in both lists, of the names that each has exactly once."""
    places = {name: place for place, name in enumerate(other) if other.count(name) == 1}
    return [
        (place, places[name])
        for place, name in enumerate(own)
        if name in places and own.count(name) == 1
    ]


def transfer(
    network: FineTunable,
    other: Mapping[str, Any],
    matched: Iterable[tuple[int, int]],
    num_classes: int,
    other_num_classes: int,
) -> Transfer:
    """Take what a network can of another's state, a layer wholly or not at all.

    Only the layers of classes are taken in parts: the rows of the classes that both know, and those
    of no class.

    Args:
        network: as it was made; it is not changed.
        other: state dict of the other network.
        matched: per class that both know, its number here and there.
        num_classes, other_num_classes: of each.
    """
    own = network.state_dict()
    theirs = {name: value for name, value in other.items() if _counts(name, value)}
    pairs = list(matched)
    state, taken = dict(own), 0
    by_class, remade = [], []
    layers = _layers(name for name, value in own.items() if _counts(name, value))
    for layer, names in layers.items():
        per_class = network.class_layers.get(layer)
        if per_class is not None:
            new = {
                name: _rows_taken(
                    own[name], theirs.get(name), pairs, per_class, num_classes, other_num_classes
                )
                for name in names
            }
            found = {name: tensor for name, tensor in new.items() if tensor is not None}
        else:
            found = {
                name: theirs[name]
                for name in names
                if name in theirs and theirs[name].shape == own[name].shape
            }
        if len(found) < len(names):
            remade.append(layer)
            continue
        state |= found
        taken += len(found)
        if per_class is not None:
            by_class.append(layer)
    left_out = [layer for layer in _layers(theirs) if layer not in layers]
    return Transfer(state, taken, tuple(by_class), tuple(remade), tuple(left_out))


def _counts(name: str, value: Any) -> bool:
    return torch.is_tensor(value) and not name.startswith(f"{OF_TRAINING}.")


def _layers(names: Iterable[str]) -> dict[str, list[str]]:
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    return layers


def _rows_taken(
    own: Tensor,
    other: Tensor | None,
    matched: Sequence[tuple[int, int]],
    per_class: int,
    num_classes: int,
    other_num_classes: int,
) -> Tensor | None:
    """A tensor of a layer of classes with the other's rows; None where rows are of another shape.

    Args:
        own, other: (rows, ...).
        matched, per_class, num_classes, other_num_classes: see `transfer` and `FineTunable`.
    """
    end, other_end = num_classes * per_class, other_num_classes * per_class
    if other is None or other.shape[1:] != own.shape[1:]:
        return None
    if len(own) - end != len(other) - other_end or len(own) < end:
        return None
    to = torch.tensor([mine for mine, _ in matched], dtype=torch.int64)
    source = torch.tensor([its for _, its in matched], dtype=torch.int64)
    new = own.clone()
    of_classes = new[:end].unflatten(0, (num_classes, per_class))
    of_classes[to] = other[:other_end].unflatten(0, (other_num_classes, per_class))[source]
    new[end:] = other[other_end:]
    return new
