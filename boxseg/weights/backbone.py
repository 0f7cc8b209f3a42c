"""A published ImageNet backbone as the bottom-up network that training starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from boxseg.backbones.resnet import resnet
from boxseg.weights.architecture import BackboneArchitecture
from boxseg.weights.layouts import Differences
from boxseg.weights.names import (
    BACKBONE_UNUSED,
    DETECTRON2_BACKBONE,
    DETECTRON_BACKBONE,
    Pair,
    translated,
)

_STATISTICS = (".running_mean", ".running_var")


def is_backbone(names: Iterable[str]) -> bool:
    """Whether the tensors are mostly those of a published backbone alone."""
    known = [
        name in BACKBONE_UNUSED or translated(name, DETECTRON_BACKBONE + DETECTRON2_BACKBONE)
        for name in names
    ]
    return sum(map(bool, known)) > len(known) / 2


def bottom_up_weights(
    tensors: Mapping[str, Tensor], file: Path
) -> tuple[BackboneArchitecture, dict[str, Tensor]]:
    """A backbone's architecture, and its state dict as `initial_weights` takes it.

    Published backbones have their batch statistics folded into the normalisation's weight and
    bias; the mean is 0 then and the variance 1.

    Args:
        tensors: by their published names.
        file: they are from.

    Raises:
        InputError: a tensor is missing, left over, or of another shape.
    """
    pairs = max((DETECTRON_BACKBONE, DETECTRON2_BACKBONE), key=lambda p: _explained(tensors, p))
    found: dict[str, Tensor] = {}
    differences = Differences()
    for name, tensor in tensors.items():
        ours = translated(name, pairs)
        if ours is not None and ours not in found and name not in BACKBONE_UNUSED:
            found[ours] = tensor
        elif name not in BACKBONE_UNUSED:
            differences.left_over.append(name)
    back = [(ours, theirs) for theirs, ours in pairs]
    try:
        architecture = BackboneArchitecture.of(found)
    except KeyError as missing:
        name = missing.args[0]
        differences.missing.append(translated(name, back) or name)
        raise differences.error(file, "a ResNet") from None
    wanted = resnet(
        architecture.depth,
        architecture.norm,
        stem_channels=architecture.stem_channels,
        first_stage_channels=architecture.first_stage_channels,
    ).state_dict()
    if not any(name.endswith(_STATISTICS) for name in found):
        found |= {
            name: torch.full_like(tensor, float(name.endswith("_var")))
            for name, tensor in wanted.items()
            if name.endswith(_STATISTICS)
        }
    every = {name: translated(name, back) or name for name in [*wanted, *found]}
    differences.compare(found, wanted, every)
    if differences:
        raise differences.error(file, f"ResNet-{architecture.depth}")
    return architecture, {name: found[name].to(tensor.dtype) for name, tensor in wanted.items()}


def _explained(names: Iterable[str], pairs: tuple[Pair, ...]) -> int:
    return sum(translated(name, pairs) is not None for name in names)
