"""What crosses to the host in one copy, and what is drawn there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from boxseg.box_masks import mask_areas
from boxseg.host_copies import index_on, on_host, to_host
from boxseg.host_draws import draw_index, draw_order, draw_uniform, draw_weighted
from tools.read_backs import ReadBacks


def test_many_tensors_take_one_copy() -> None:
    tensors = [
        torch.arange(6.0).reshape(2, 3).T,
        torch.tensor([True, False]),
        torch.zeros(0, 4),
        torch.tensor([[2**40]]),
        torch.tensor(7, dtype=torch.uint8),
        torch.ones(1).expand(3, 1),
        torch.tensor([1.5], dtype=torch.float64),
    ]
    with ReadBacks() as found:
        arrays = to_host(tensors)
    assert found.total == 1, found
    for array, tensor in zip(arrays, tensors, strict=True):
        assert array.dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(array, tensor.numpy())
    arrays[0][:] = -1
    assert tensors[0].min() == 0  # memory of its own
    assert to_host([]) == []


def test_indices_and_what_is_on_the_host_take_none() -> None:
    with ReadBacks() as found:
        assert on_host(torch.arange(3))[2] == 2
        chosen = torch.tensor([5, 6, 7])[index_on(torch.device("cpu"), [2, 0])]
    assert found.total == 0, found
    assert chosen.tolist() == [7, 5]


@pytest.mark.parametrize("seed", range(20))
def test_draws_are_those_of_torch(seed: int) -> None:
    ours, theirs = (torch.Generator().manual_seed(seed) for _ in range(2))
    weights = torch.rand(7, generator=torch.Generator().manual_seed(seed))
    with ReadBacks() as found:
        drawn = (
            draw_uniform(1, ours)[0],
            draw_index(10**6, ours),
            draw_order(5, ours),
            draw_weighted(weights, 3, ours),
            draw_uniform(9, ours, -0.1, 0.3).tolist(),
        )
    assert found.total == 0, found
    assert drawn == (
        torch.rand((), generator=theirs).item(),
        torch.randint(10**6, (), generator=theirs).item(),
        torch.randperm(5, generator=theirs).tolist(),
        torch.multinomial(weights, 3, generator=theirs).tolist(),
        torch.empty(9).uniform_(-0.1, 0.3, generator=theirs).tolist(),
    )
    assert torch.equal(ours.get_state(), theirs.get_state())


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 16), (7, 100), (40, 33)])
def test_areas_of_masks(size: tuple[int, int]) -> None:
    masks = torch.rand(4, *size, generator=torch.Generator().manual_seed(0)) < 0.7
    masks[0] = True
    for seen in (masks, masks[:, 1:, 1:], masks[:0], masks[:1].expand(3, *size)):
        areas = mask_areas(seen)
        assert areas.dtype == torch.int32
        assert areas.tolist() == [int(mask.sum()) for mask in seen]
