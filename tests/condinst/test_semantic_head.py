"""The auxiliary semantic loss."""

from __future__ import annotations

import math

import pytest
import torch
from detectron2.structures import BitMasks
from torch import nn

from boxseg.condinst.semantic_head import SemanticHead
from tests.condinst.tiny import objects


def test_loss_by_hand() -> None:
    """Class logits that do not look at the features: only the labels are at work."""
    head = SemanticHead("p2", 4, 4, num_classes=2, stride=4)
    nn.init.zeros_(head.logits.weight)
    with torch.no_grad():
        head.logits.bias.copy_(torch.tensor([0.0, 1.0]))  # type: ignore[union-attr]
    # Map of 1 x 3 cells at x = 2, 6, 10. Object 0 (class 0, 12 pixels wide) covers all of them,
    # object 1 (class 1, smaller) the middle one: labels 0, 1, 0. The other image is background.
    masks = torch.zeros(2, 4, 12, dtype=torch.bool)
    masks[0] = True
    masks[1, :, 4:8] = True
    image = objects([[0, 0, 12, 4], [4, 0, 8, 4]], [0, 1])
    image.gt_masks = BitMasks(masks)
    loss = head.loss({"p2": torch.randn(2, 4, 1, 3)}, [image, objects([], [])])

    def probability(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    def hit(z: float) -> float:
        return -0.25 * (1 - probability(z)) ** 2 * math.log(probability(z))

    def miss(z: float) -> float:
        return -0.75 * probability(z) ** 2 * math.log(1 - probability(z))

    of_class_0 = hit(0) + miss(1)
    of_class_1 = miss(0) + hit(1)
    background = miss(0) + miss(1)
    expected = (2 * of_class_0 + of_class_1 + 3 * background) / 3  # three foreground pixels
    assert loss.item() == pytest.approx(expected, rel=1e-5)
