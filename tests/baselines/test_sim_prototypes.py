"""SIM's prototypes: assignment, learning, and what becomes of them in a checkpoint."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from baselines.sim import Prototypes, SinkhornAssignment
from baselines.sim.prototypes import unit_features
from baselines.sim.released import GumbelAssignment


def prototypes(values: list[list[list[float]]], momentum: float = 0.5) -> Prototypes:
    given_values = torch.tensor(values)
    classes, count, channels = given_values.shape
    made = Prototypes(classes, channels, count, momentum)
    made.prototypes.copy_(given_values)
    return made


def test_sinkhorn_spreads_pixels_over_the_prototypes() -> None:
    # All four pixels are nearest to prototype 0, but both prototypes have to be used equally: the
    # two pixels that prefer it least go to prototype 1.
    similarities = torch.tensor([[0.9, 0.1], [0.8, 0.1], [0.5, 0.4], [0.45, 0.4]])
    classes = torch.zeros(4, dtype=torch.long)
    assignment = SinkhornAssignment(passes=50)
    assert similarities.argmax(dim=1).tolist() == [0, 0, 0, 0]
    assert assignment(similarities, classes, 1).tolist() == [0, 0, 1, 1]
    soft = assignment.probabilities(similarities, classes, 1)
    torch.testing.assert_close(soft.sum(dim=0), torch.tensor([2.0, 2.0]), rtol=0.02, atol=0.02)


def test_one_pass_of_sinkhorn_by_hand() -> None:
    # With epsilon 1 / ln 2, exp(s / epsilon) = 2^s: [[2, 1], [1, 1]]. Over the columns (sums 3 and
    # 2): [[2/3, 1/2], [1/3, 1/2]]. Over the rows (sums 7/6 and 5/6): [[4/7, 3/7], [2/5, 3/5]].
    similarities = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assignment = SinkhornAssignment(epsilon=1 / torch.tensor(2.0).log().item(), passes=1)
    soft = assignment.probabilities(similarities, torch.zeros(2, dtype=torch.long), 1)
    torch.testing.assert_close(soft, torch.tensor([[4 / 7, 3 / 7], [2 / 5, 3 / 5]]))


@given(st.integers(0, 1000), st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_classes_are_assigned_each_by_itself(seed: int, labels: list[int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    classes = torch.tensor(labels)
    similarities = torch.rand(len(labels), 5, generator=generator) * 2 - 1
    together = SinkhornAssignment().probabilities(similarities, classes, 4)
    torch.testing.assert_close(together.sum(dim=1), torch.ones(len(labels)))
    for label in set(labels):
        own = classes == label
        zeros = torch.zeros(int(own.sum()), dtype=torch.long)
        alone = SinkhornAssignment().probabilities(similarities[own], zeros, 1)
        torch.testing.assert_close(together[own], alone)


def similarities_in(made: Prototypes, features: Tensor, labels: Tensor) -> Tensor:
    """Of one image (D, h, w)."""
    return made.similarities(features[None], labels, [len(labels)])


def learn_from(
    made: Prototypes, features: Tensor, maps: Tensor, regions: Tensor, labels: Tensor
) -> None:
    """Learn from one image (D, h, w)."""
    made.learn(features[None], maps, regions, labels, torch.zeros_like(labels))


def test_learning_by_hand() -> None:
    # Class 1 has the prototypes (1, 0) and (0, 1). Its region's two pixels are (1, 0) and (0.6,
    # 0.8): one prototype each. The first stays (1, 0); the second becomes half (0, 1) + half (0.6,
    # 0.8) = (0.3, 0.9), of length sqrt(0.9).
    made = prototypes([[[1.0, 0.0], [0.0, 1.0]]] * 2)
    features = torch.tensor([[[1.0, 0.6, 0.0]], [[0.0, 0.8, -1.0]]])
    region = torch.tensor([[[True, True, False]]])
    label = torch.tensor([1])
    learn_from(made, features, similarities_in(made, features, label), region, label)
    wanted = torch.tensor([[1.0, 0.0], [0.3 / 0.9**0.5, 0.9 / 0.9**0.5]])
    torch.testing.assert_close(made.prototypes[1], wanted)
    assert made.prototypes[0].tolist() == [[1, 0], [0, 1]]


def test_images_teach_one_after_the_other() -> None:
    generator = torch.Generator().manual_seed(4)
    features = F.normalize(torch.randn(3, 4, 6, 6, generator=generator), dim=1)
    labels, images = torch.tensor([1, 0, 1, 2, 2]), torch.tensor([0, 0, 0, 2, 2])
    regions = torch.rand(5, 6, 6, generator=generator) < 0.4
    together = Prototypes(3, 4, per_class=3, momentum=0.9)
    alone = Prototypes(3, 4, per_class=3, momentum=0.9)
    alone.load_state_dict(together.state_dict())
    maps = together.similarities(features, labels, [3, 0, 2])
    torch.testing.assert_close(maps[3:], similarities_in(alone, features[2], labels[3:]))
    together.learn(features, maps, regions, labels, images)
    for image in (0, 2):
        own = images == image
        learn_from(alone, features[image], maps[own], regions[own], labels[own])
    torch.testing.assert_close(together.prototypes, alone.prototypes)


def test_an_empty_region_teaches_nothing() -> None:
    made = prototypes([[[1.0, 0.0], [0.0, 1.0]]])
    before = made.prototypes.clone()
    features = F.normalize(torch.rand(2, 3, 3), dim=0)
    label = torch.tensor([0])
    maps = similarities_in(made, features, label)
    learn_from(made, features, maps, torch.zeros(1, 3, 3, dtype=torch.bool), label)
    no_object = torch.zeros(0, dtype=torch.long)
    learn_from(made, features, maps[:0], torch.zeros(0, 3, 3, dtype=torch.bool), no_object)
    assert torch.equal(made.prototypes, before)
    assert similarities_in(made, features, no_object).shape == (0, 2, 3, 3)


def test_similarities_are_cosines_and_the_state_is_in_the_checkpoint() -> None:
    made = Prototypes(3, 8)
    torch.testing.assert_close(made.prototypes.norm(dim=2), torch.ones(3, 10))
    features = unit_features(torch.randn(1, 8, 4, 4), (8, 8))
    maps = similarities_in(made, features[0], torch.tensor([2, 0, 2]))
    assert maps.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(maps[0], maps[2])  # rows of one product, perhaps of two tiles of it
    other = Prototypes(3, 8)
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.prototypes, made.prototypes)


def test_prototypes_find_the_two_looks_of_a_class() -> None:
    torch.manual_seed(0)
    looks = F.normalize(torch.randn(2, 16), dim=1)
    made = Prototypes(1, 16, per_class=2, momentum=0.5)
    label = torch.tensor([0])
    for _ in range(20):
        which = torch.arange(64) % 2
        pixels = F.normalize(looks[which] + 0.1 * torch.randn(64, 16), dim=1).T.reshape(16, 8, 8)
        maps = similarities_in(made, pixels, label)
        learn_from(made, pixels, maps, torch.ones(1, 8, 8, dtype=torch.bool), label)
    nearest = made.prototypes[0] @ looks.T
    assert sorted(nearest.argmax(dim=1).tolist()) == [0, 1]
    assert nearest.amax(dim=1).min() > 0.95


class Certain(GumbelAssignment):
    """Sure of prototype 0."""

    def probabilities(self, similarities: Tensor, classes: Tensor, groups: int) -> Tensor:
        return F.one_hot(torch.zeros_like(classes), similarities.shape[1]).float()


def test_the_released_draw_is_nearly_uniform() -> None:
    # As logits of 1 and 0, certainty is drawn with probability e / (e + 9) = 0.23 only.
    drawn = Certain()(torch.zeros(4000, 10), torch.zeros(4000, dtype=torch.long), 1)
    assert (drawn == 0).float().mean().item() == pytest.approx(0.232, abs=0.03)
