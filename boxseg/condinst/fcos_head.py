"""FCOS's convolutional head: two towers, shared by all levels, and their predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class HeadOutputs:
    """Predictions of every cell; per level, finest first.

    Attributes:
        logits: (B, classes, H, W).
        box_distances: (B, 4, H, W), left, top, right, bottom in units of the stride, >= 0.
        centerness: (B, 1, H, W) logits; empty for a head without centre-ness.
        box_features: (B, C, H, W), what the box tower sees; the controller reads it too.
    """

    logits: list[Tensor]
    box_distances: list[Tensor]
    centerness: list[Tensor]
    box_features: list[Tensor]


class LevelScale(nn.Module):
    """One learnable factor of a level's box distances."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, values: Tensor) -> Tensor:
        return values * self.scale


def tower(channels: int, convolutions: int) -> nn.Sequential:
    """3x3 convolutions, each with group normalisation (32 groups) and ReLU."""
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers += [
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(32, channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class FCOSHead(nn.Module):
    """Classification and box towers with their predictors (FCOS).

    Args:
        channels: of the pyramid's features.
        num_classes: foreground classes.
        num_levels: pyramid levels; each has its own box scale.
        cls_convs, box_convs: 3x3 convolutions in the towers.
        with_centerness: predict centre-ness from the box tower.
        prior_probability: of a foreground class at the start of training.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        num_levels: int,
        cls_convs: int = 4,
        box_convs: int = 4,
        with_centerness: bool = True,
        prior_probability: float = 0.01,
    ) -> None:
        super().__init__()
        self.cls_tower = tower(channels, cls_convs)
        self.bbox_tower = tower(channels, box_convs)
        self.cls_logits = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.bbox_pred = nn.Conv2d(channels, 4, 3, padding=1)
        self.ctrness = nn.Conv2d(channels, 1, 3, padding=1) if with_centerness else None
        self.scales = nn.ModuleList(LevelScale() for _ in range(num_levels))
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)
        assert self.cls_logits.bias is not None
        nn.init.constant_(
            self.cls_logits.bias, -math.log((1 - prior_probability) / prior_probability)
        )

    def forward(self, pyramid: Sequence[Tensor]) -> HeadOutputs:
        """Predict from the pyramid's levels, each (B, C, H, W), finest first."""
        outputs = HeadOutputs([], [], [], [])
        for features, scale in zip(pyramid, self.scales, strict=True):
            box_features = self.bbox_tower(features)
            outputs.logits.append(self.cls_logits(self.cls_tower(features)))
            outputs.box_distances.append(scale(self.bbox_pred(box_features)).relu())
            if self.ctrness is not None:
                outputs.centerness.append(self.ctrness(box_features))
            outputs.box_features.append(box_features)
        return outputs


def flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """Per-level (B, C, H, W) to float32 (A, C): level slowest, then image, row, column."""
    return torch.cat([m.permute(0, 2, 3, 1).flatten(0, 2) for m in maps]).float()
