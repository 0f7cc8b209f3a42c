"""The architecture that a network's tensors show by their names and shapes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from boxseg.backbones.resnet import BLOCKS_PER_STAGE
from boxseg.errors import InputError

STAGES = (2, 3, 4, 5)
BOTTOM_UP = "backbone.bottom_up."

# A block, a convolution with its norm and the like count as there when two of their tensors are:
# then one that is missing or left over in the file is reported by its name.
_AT_LEAST = 2


@dataclass(frozen=True)
class BackboneArchitecture:
    """A ResNet's; the attributes are arguments of `boxseg.backbones.resnet.resnet`."""

    depth: int
    norm: str
    stem_channels: int
    first_stage_channels: int
    deformable_stages: tuple[int, ...]
    deformable_interval: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> BackboneArchitecture:
        """Read it from a bottom-up network's tensors by our names.

        Raises:
            InputError: it is no ResNet that this suite builds.
            KeyError: the tensor of this name is missing, which would tell.
        """
        bottleneck = _count(tensors, r".+\.conv3\..+") >= _AT_LEAST
        blocks = tuple(_length(tensors, rf"res{stage}\.(\d+)\..+") for stage in STAGES)
        depths = [
            depth
            for depth, usual in BLOCKS_PER_STAGE.items()
            if usual == blocks and (depth >= 50) == bottleneck
        ]
        if not depths:
            raise InputError(
                f"a backbone of {', '.join(map(str, blocks))} "
                f"{'bottleneck' if bottleneck else 'basic'} blocks is none of ResNet-"
                f"{', '.join(map(str, BLOCKS_PER_STAGE))}; use a checkpoint of one of them."
            )
        trained = _count(tensors, r".+\.num_batches_tracked") >= _AT_LEAST
        stages, interval = _deformable(tensors)
        return cls(
            depth=depths[0],
            norm="BN" if trained else "FrozenBN",
            stem_channels=_size(tensors, "stem.conv1.weight"),
            first_stage_channels=_size(tensors, f"res2.0.conv{3 if bottleneck else 2}.weight"),
            deformable_stages=stages,
            deformable_interval=interval,
        )


@dataclass(frozen=True)
class SegmenterArchitecture:
    """What a CondInst of five levels, P3 to P7, leaves open.

    Attributes:
        backbone: of the bottom-up network.
        channels: of the pyramid and the towers.
        num_classes: foreground classes.
        cls_convs, box_convs: convolutions in the detector's towers.
        mask_channels, mask_convs: of the mask branch.
        mask_features: what the mask branch hands on, per pixel.
        semantic: with the auxiliary semantic head.
    """

    backbone: BackboneArchitecture
    channels: int
    num_classes: int
    cls_convs: int
    box_convs: int
    mask_channels: int
    mask_convs: int
    mask_features: int
    semantic: bool

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> SegmenterArchitecture:
        """Read it from a segmenter's tensors by our names; raises as `BackboneArchitecture.of`."""
        bottom_up = {
            name.removeprefix(BOTTOM_UP): tensor
            for name, tensor in tensors.items()
            if name.startswith(BOTTOM_UP)
        }
        mask_convs = _length(tensors, r"mask_branch\.tower\.(\d+)\.[01]\..+")
        return cls(
            backbone=_prefixed(bottom_up),
            channels=_size(tensors, "backbone.fpn_output3.weight"),
            num_classes=_size(tensors, "detector.head.cls_logits.weight"),
            cls_convs=_tower_length(tensors, "cls"),
            box_convs=_tower_length(tensors, "bbox"),
            mask_channels=_size(tensors, "mask_branch.refine.0.0.weight"),
            mask_convs=mask_convs,
            mask_features=_size(tensors, f"mask_branch.tower.{mask_convs}.weight"),
            semantic=_count(tensors, r"semantic_head\..+") >= _AT_LEAST,
        )


def _prefixed(bottom_up: Mapping[str, Tensor]) -> BackboneArchitecture:
    """A segmenter's backbone; a missing tensor has the name that it has in the segmenter."""
    try:
        return BackboneArchitecture.of(bottom_up)
    except KeyError as missing:
        raise KeyError(BOTTOM_UP + missing.args[0]) from None


def _size(tensors: Mapping[str, Tensor], name: str) -> int:
    """Output channels of a convolution."""
    return int(tensors[name].shape[0]) if tensors[name].ndim else 0


def _count(names: Iterable[str], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in names)


def _length(names: Iterable[str], pattern: str) -> int:
    """How many of the members 0, 1, ... that a pattern numbers are there."""
    found = (re.fullmatch(pattern, name) for name in names)
    tensors = Counter(int(match[1]) for match in found if match)
    members = [number for number, count in tensors.items() if count >= _AT_LEAST]
    return max(members, default=-1) + 1


def _tower_length(names: Iterable[str], tower: str) -> int:
    """Convolutions of a detector's tower, where every one is followed by its norm and a ReLU."""
    pattern = rf"detector\.head\.{tower}_tower\.(\d+)\..+"
    found = (re.fullmatch(pattern, name) for name in names)
    tensors = Counter(int(match[1]) // 3 for match in found if match)
    members = [number for number, count in tensors.items() if count >= _AT_LEAST]
    return max(members, default=-1) + 1


def _deformable(names: Iterable[str]) -> tuple[tuple[int, ...], int]:
    """Stages with deformable convolutions, and in every which of their blocks they are."""
    found = [re.fullmatch(r"res(\d)\.(\d+)\.conv2\.offset\..+", name) for name in names]
    blocks: dict[int, list[int]] = {}
    for match in filter(None, found):
        blocks.setdefault(int(match[1]), []).append(int(match[2]))
    stages = {stage: sorted(set(b)) for stage, b in blocks.items() if len(b) >= _AT_LEAST}
    steps = {b[1] - b[0] for b in stages.values() if len(b) > 1}
    return tuple(sorted(stages)), min(steps, default=1)
