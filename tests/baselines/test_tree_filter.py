"""The tree filter against its dense definition, and its gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.level_set.spanning_trees import SpanningTrees, grid_edges
from baselines.level_set.tree_filter import tree_filter

SIZE = (7, 9)


def noise(seed: int, channels: int = 2, images: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, channels, *SIZE, generator=generator, dtype=torch.float64)


def steps(seed: int) -> Tensor:
    """Whole numbers, so that many distances tie, some at 0 and some above."""
    return (noise(seed) * 1.5).round()


def half_flat(seed: int) -> Tensor:
    guide = noise(seed)
    guide[..., 4:] = guide[..., 4:5, 4:5].clone()
    return guide


def padded(seed: int) -> Tensor:
    guide = noise(seed)
    guide[..., 5:, :] = 0
    guide[..., 6:] = 0
    return guide


def almost_tied(seed: int) -> Tensor:
    """Distances that differ in float64 and not in float32 after 1 is added."""
    return torch.ones(1, 2, *SIZE, dtype=torch.float64) + 1e-5 * noise(seed)


GUIDES = [noise, steps, half_flat, padded, almost_tied]


def kruskal(guide: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """Edges (cell, cell, distance) of the tree of one guide (C, h, w), in the order of ties."""
    cells = guide.reshape(len(guide), -1)
    edges = [
        (np.float32(d) + np.float32(1), number, int(a), int(b), d)
        for number, (a, b) in enumerate(zip(*grid_edges(*guide.shape[1:]), strict=True))
        for d in [float(((cells[:, a] - cells[:, b]) ** 2).sum())]
    ]
    group = list(range(cells.shape[1]))
    tree = []
    for _, _, a, b, distance in sorted(edges):
        if group[a] != group[b]:
            tree.append((a, b, distance))
            group = [group[a] if g == group[b] else g for g in group]
    return tree


def dense_filter(maps: Tensor, guide: Tensor, sigma: float) -> Tensor:
    """All pairs, products of edge weights along the path, one image: (K, h, w)."""
    edges = kruskal(guide.detach().numpy())
    cells = guide.flatten(1)
    count = cells.shape[1]
    joined: list[list[tuple[int, Tensor]]] = [[] for _ in range(count)]
    for a, b, _ in edges:
        weight = torch.exp(-(cells[:, a] - cells[:, b]).square().sum() / sigma)
        joined[a].append((b, weight))
        joined[b].append((a, weight))
    rows = []
    for start in range(count):
        found = {start: torch.ones((), dtype=guide.dtype)}
        waiting = [start]
        while waiting:
            cell = waiting.pop()
            for other, weight in joined[cell]:
                if other not in found:
                    found[other] = found[cell] * weight
                    waiting.append(other)
        rows.append(torch.stack([found[cell] for cell in range(count)]))
    paths = torch.stack(rows)
    return (maps.flatten(1) @ paths.T / paths.sum(dim=1)).view(maps.shape)


@pytest.mark.parametrize("sigma", [0.02, 1.0])
@pytest.mark.parametrize("make", GUIDES)
def test_equals_the_dense_definition(make: object, sigma: float) -> None:
    for seed in range(3):
        guide = make(seed).requires_grad_()  # type: ignore[operator]
        maps = noise(seed + 10, channels=3).requires_grad_()
        ours = tree_filter(maps, guide, sigma)
        expected = dense_filter(maps[0], guide[0], sigma)[None]
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)
        cotangent = noise(seed + 20, channels=3)
        found, wanted = (
            torch.autograd.grad((out * cotangent).sum(), (maps, guide)) for out in (ours, expected)
        )
        for gradient, by_definition in zip(found, wanted, strict=True):
            torch.testing.assert_close(gradient, by_definition, rtol=1e-6, atol=1e-9)


def test_float32_is_near_float64() -> None:
    guide, maps = half_flat(0), noise(1, channels=3)
    exact = tree_filter(maps, guide, 0.5)
    torch.testing.assert_close(
        tree_filter(maps.float(), guide.float(), 0.5).double(), exact, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("make", [noise, half_flat, padded])
def test_gradients_by_finite_differences(make: object) -> None:
    # So small a step that no edge of the tree is exchanged for another.
    guide = make(3)[..., :4, 3:8].clone().requires_grad_()  # type: ignore[operator]
    maps = noise(4)[..., :4, 3:8].clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, g: tree_filter(x, g, 0.7), (maps, guide), eps=1e-7, atol=1e-5
    )


def test_one_tree_of_every_image() -> None:
    guides = torch.cat([noise(0), steps(1), padded(2)])
    maps = noise(5, channels=4, images=3)
    together = tree_filter(maps, guides)
    for index in range(3):
        alone = tree_filter(maps[index : index + 1], guides[index : index + 1])
        torch.testing.assert_close(together[index], alone[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", GUIDES)
def test_the_tie_rule(make: object) -> None:
    guide = make(7)  # type: ignore[operator]
    parents = SpanningTrees.of(guide).parents.tolist()
    ours = {frozenset(edge) for edge in enumerate(parents) if edge[0] != edge[1]}
    assert ours == {frozenset((a, b)) for a, b, _ in kruskal(guide[0].numpy())}


def test_a_flat_map_is_filtered_to_its_mean() -> None:
    maps = noise(0)
    filtered = tree_filter(maps, torch.zeros(1, 1, *SIZE, dtype=torch.float64))
    torch.testing.assert_close(filtered, maps.mean(dim=(2, 3), keepdim=True).expand_as(maps))


def test_an_edge_too_steep_for_its_weight_keeps_sides_apart() -> None:
    guide = torch.zeros(1, 1, *SIZE)
    guide[..., 4:] = 100
    maps = noise(0).float()
    filtered = tree_filter(maps, guide, 0.02)
    for side in (slice(0, 4), slice(4, 9)):
        mean = maps[..., side].mean(dim=(2, 3), keepdim=True)
        torch.testing.assert_close(filtered[..., side], mean.expand_as(filtered[..., side]))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_grids_without_area(size: tuple[int, int]) -> None:
    maps = noise(0)[..., : size[0], : size[1]]
    guide = noise(1)[..., : size[0], : size[1]].requires_grad_()
    filtered = tree_filter(maps, guide)
    expected = dense_filter(maps[0], guide[0], 1.0)[None]
    torch.testing.assert_close(filtered, expected)
    filtered.sum().backward()


def test_no_maps() -> None:
    guide = noise(0).requires_grad_()
    filtered = tree_filter(noise(1)[:, :0], guide)
    assert filtered.shape == (1, 0, *SIZE)
    filtered.sum().backward()
    assert guide.grad is not None
    assert not guide.grad.any()


def test_trees_of_a_diverged_network_are_still_trees() -> None:
    guide = noise(0)
    guide[..., 2, 3] = torch.nan
    trees = SpanningTrees.of(guide)
    assert set(trees.ancestors[-1].tolist()) == {0}
    assert int((trees.parents == torch.arange(len(trees.parents))).sum()) == 1
