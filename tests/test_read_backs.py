"""The counter of read-backs sees what would wait for a device, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tools.read_backs import ReadBacks

READING: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "truth": lambda x: bool((x > 0).any()),
    "nonzero": lambda x: x.nonzero(),
    "boolean index": lambda x: x[x > 0],
    "masked_select": lambda x: x.masked_select(x > 0),
    "unique": lambda x: x.unique(),
    "unique rows": lambda x: x[:, None].unique(dim=0),
    "runs": lambda x: x.unique_consecutive(),
    "counted": lambda x: x.long().abs().bincount(minlength=4),  # looks for the greatest
    "repeated": lambda x: x.repeat_interleave(x.long().abs()),
    "comparison": lambda x: torch.equal(x, x),
    "list": lambda x: x.tolist(),
    "array": lambda x: x.numpy(),
    "to the host": lambda x: x.cpu(),
}
QUEUED: dict[str, Callable[[Tensor], object]] = {
    "index": lambda x: x[torch.tensor([0, 2])],
    "slice": lambda x: x[1:],
    "choice": lambda x: torch.where(x > 0, x, 0.0),
    "sorted": lambda x: x.sort(),
    "best": lambda x: x.topk(2),
    "repeated to a known size": lambda x: x.repeat_interleave(x.long().abs(), output_size=6),
    "repeated alike": lambda x: x.repeat_interleave(2),
}


@pytest.mark.parametrize("name", READING)
def test_reading_counts_once(name: str) -> None:
    values = torch.tensor([-1.0, 2.0, 3.0])
    with ReadBacks() as found:
        READING[name](values)
    assert found.total == 1, found


@pytest.mark.parametrize("name", QUEUED)
def test_what_is_only_queued_does_not_count(name: str) -> None:
    values = torch.tensor([-1.0, 2.0, 3.0])
    with ReadBacks() as found:
        QUEUED[name](values)
    assert found.total == 0, found


def test_assigning_to_chosen_places_counts() -> None:
    values = torch.tensor([-1.0, 2.0, 3.0])
    with ReadBacks() as found:
        values[values < 0] = values[values < 0] * 2
    assert found.total == 2, found


def test_the_backward_pass_counts_too() -> None:
    values = torch.tensor([-1.0, 2.0, 3.0], requires_grad=True)
    chosen = values[torch.tensor([True, False, True])]
    with ReadBacks() as found:
        chosen.sum().backward()
    assert found.total == 1, found


def test_the_place_is_named() -> None:
    with ReadBacks() as found:
        torch.ones(1).item()
    assert "tests/test_read_backs.py:" in str(found)
