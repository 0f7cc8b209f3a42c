"""Learning from known boxes what objects look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from boxseg.cutouts import learning
from boxseg.cutouts.color_masks import color_masks
from boxseg.cutouts.known_boxes import KnownBoxes
from boxseg.cutouts.learned_masks import learned_masks
from boxseg.cutouts.learning import CutoutLearning
from boxseg.cutouts.network import CutoutNetwork
from boxseg.mask_overlap import mask_iou

CPU = torch.device("cpu")
SIZE, BOX = 64, (12, 12, 52, 52)


def triangle() -> torch.Tensor:
    """The half of a box below its diagonal, which an ellipse is a poor mask of: bool (H, W)."""
    x0, y0, x1, y1 = BOX
    shape = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    shape[y0:y1, x0:x1] = torch.ones(y1 - y0, x1 - x0, dtype=torch.bool).tril()
    return shape


def photograph(seed: int) -> np.ndarray:
    """A triangle hardly lighter than what surrounds it, of any colour, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    ground = rng.uniform(60, 180, 3)
    colors = np.where(triangle()[..., None].numpy(), ground + 18, ground)
    return (colors + rng.normal(0, 25, (SIZE, SIZE, 3))).clip(0, 255).astype(np.uint8)


def box() -> torch.Tensor:
    return torch.tensor([BOX], dtype=torch.float64)


def known(count: int) -> KnownBoxes:
    one_class = torch.zeros(1, dtype=torch.int64)
    return KnownBoxes.cat(
        [KnownBoxes.of(photograph(seed), box(), one_class, CPU) for seed in range(count)]
    )


def begun(objects: KnownBoxes, iterations: int, rounds: int = 2) -> CutoutLearning:
    torch.manual_seed(0)
    network = CutoutNetwork(classes=1)
    return CutoutLearning(network, objects, rounds, iterations, seed=3)


def run(learner: CutoutLearning, steps: int) -> dict[str, torch.Tensor]:
    for _ in range(steps):
        learner.step()
    return {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}


def test_what_is_gone_on_with_ends_where_the_whole_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(learning, "BATCH", 4)
    objects = known(3)
    whole = run(begun(objects, iterations=2), 4)
    for cut in (1, 2, 3):  # 2 is between the rounds
        first = begun(objects, iterations=2)
        run(first, cut)
        torch.save(first.state(), tmp_path / "state.pt")
        second = begun(objects, iterations=2)
        second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
        again = run(second, 4 - cut)
        for name, tensor in whole.items():
            assert torch.equal(tensor, again[name]), (cut, name)


def test_the_second_round_has_labels_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "BATCH", 4)
    learner = begun(known(3), iterations=1)
    run(learner, 1)
    of_colours = learner.labels
    run(learner, 1)
    assert learner.labels.shape == of_colours.shape
    assert (learner.labels - of_colours).abs().max() > 0.01


@pytest.mark.slow
def test_of_a_shape_that_colours_hardly_show_much_is_learnt() -> None:
    learner = begun(known(32), iterations=30)
    run(learner, 60)
    learner.network.eval()
    true = triangle()[None]
    one_class = torch.zeros(1, dtype=torch.int64)
    by_colours, by_both = [], []
    for seed in range(100, 108):  # never seen in training
        image = photograph(seed)
        by_colours.append(mask_iou(color_masks(image, box(), CPU).masks(slice(None)), true))
        found = learned_masks(image, box(), one_class, learner.network)
        by_both.append(mask_iou(found.masks(slice(None)), true))
        assert 0 <= float(found.quality) <= 1
    assert float(torch.cat(by_both).mean()) > float(torch.cat(by_colours).mean()) + 0.05
