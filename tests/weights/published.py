"""Checkpoints as the published codes write them, with the golden files' weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from boxseg.weights.names import Layout
from experiments.configuration.build import build
from experiments.configuration.compose import composed
from tests.golden.weights import recipe_value

CONTROLLER_SCALE = 0.4
SIZES_OF_INTEREST = (64.0, 128.0, 256.0, 512.0, 1024.0)
TINY = (
    "scale=paper",
    "dataset=coco",
    "dataset.num_classes=3",
    "scale.segmenter.channels=32",
    "scale.segmenter.tower_convs=1",
    "scale.segmenter.mask_channels=8",
    "scale.segmenter.mask_convs=1",
    "segmenter.backbone.bottom_up.depth=18",
    "segmenter.backbone.bottom_up.stem_channels=8",
    "segmenter.backbone.bottom_up.first_stage_channels=8",
)
"""A network of the published architecture that takes no time to build."""


def tiny_segmenter(*words: str, method: str = "boxinst") -> nn.Module:
    """The tiny network, changed by some words of the configuration."""
    given = {word.split("=")[0] for word in words}
    kept = [word for word in TINY if word.split("=")[0] not in given]
    segmenter: nn.Module = build(composed((f"method={method}", *kept, *words)).segmenter)
    return segmenter


def published_checkpoint(
    layout: Layout, segmenter: nn.Module, controller_scale: float = CONTROLLER_SCALE
) -> OrderedDict[str, Tensor]:
    """The tensors of a published code's checkpoint, of the architecture of a segmenter of ours."""
    tensors = OrderedDict()
    for network in layout.networks:
        for ours, tensor in segmenter.state_dict().items():
            name = layout.published(network, ours)
            # Teacher and student have the same weights: the recipe leaves their prefixes out.
            hashed = name.removeprefix("teacher.").removeprefix("student.")
            value = recipe_value(hashed, tuple(tensor.shape), controller_scale)
            if value is not None:
                tensor = torch.from_numpy(np.asarray(value, dtype=np.float32))
            tensors[name] = tensor.clone()
    tensors.update({name: _idle(name) for name in layout.idle})
    return tensors


def _idle(name: str) -> Tensor:
    if name.endswith("sizes_of_interest"):
        return torch.tensor(SIZES_OF_INTEREST)
    return torch.zeros((5, 10, 16) if name.endswith("prototypes") else 1)


def without(tensors: OrderedDict[str, Tensor], names: Sequence[str]) -> OrderedDict[str, Tensor]:
    """A checkpoint that lacks some tensors."""
    return OrderedDict((name, t) for name, t in tensors.items() if name not in names)
