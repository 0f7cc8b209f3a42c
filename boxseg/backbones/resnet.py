"""ResNets in the MSRA layout, with a feature pyramid (Detectron2)."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.modeling.backbone import FPN, Backbone, ResNet
from detectron2.modeling.backbone.fpn import LastLevelMaxPool, LastLevelP6P7
from detectron2.modeling.backbone.resnet import BasicBlock, BasicStem, BottleneckBlock
from torch import nn

from boxseg.backbones.deformable import DeformableBottleneckBlock
from boxseg.errors import InputError

BLOCKS_PER_STAGE = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def resnet(
    depth: int = 50,
    norm: str = "FrozenBN",
    freeze_at: int = 2,
    stem_channels: int = 64,
    first_stage_channels: int | None = None,
    deformable_stages: Sequence[int] = (),
    deformable_interval: int = 1,
    stride_in_1x1: bool = True,
    out_features: Sequence[str] = ("res2", "res3", "res4", "res5"),
) -> ResNet:
    """A ResNet; the first convolution of its bottlenecks carries the stride (MSRA layout).

    Args:
        depth: 18, 34, 50 or 101.
        norm: of all convolutions, in Detectron2's naming.
        freeze_at: stem and stages up to this number are not trained (2: stem and res2).
        stem_channels: 64 in every published model; fewer for tests.
        first_stage_channels: of res2; 64 for basic blocks, 256 for bottlenecks by default.
        deformable_stages: numbers of the stages (3 for res3) with modulated deformable
            convolutions; bottleneck depths only.
        deformable_interval: in these stages, the first block and every so manyth after it.
        stride_in_1x1: of the bottlenecks that halve the resolution, the first convolution does it;
            otherwise the 3x3 one does. Weights have the same shapes either way. The published
            R-101-DCN configurations of BoxTeacher and BoxSeg are the only ones that say False.
        out_features: stages handed on.

    Raises:
        InputError: unknown depth, or deformable stages in a network of basic blocks.
    """
    if depth not in BLOCKS_PER_STAGE:
        raise InputError(
            f"backbone depth {depth} is not one of {', '.join(map(str, BLOCKS_PER_STAGE))}."
        )
    bottleneck = depth >= 50
    if deformable_stages and not bottleneck:
        raise InputError(
            f"ResNet-{depth} has no bottleneck blocks to make deformable; use depth 50 or 101."
        )
    channels = first_stage_channels or (256 if bottleneck else 64)
    stages, incoming = [], stem_channels
    for number, length in enumerate(BLOCKS_PER_STAGE[depth], start=2):
        blocks: list[nn.Module] = []
        for index in range(length):
            kind, extra = BasicBlock, {}
            if bottleneck:
                deformable = number in deformable_stages and index % deformable_interval == 0
                kind = DeformableBottleneckBlock if deformable else BottleneckBlock
                extra = {"bottleneck_channels": channels // 4, "stride_in_1x1": stride_in_1x1}
            stride = 2 if number > 2 and index == 0 else 1
            blocks.append(kind(incoming, channels, stride=stride, norm=norm, **extra))
            incoming = channels
        stages.append(blocks)
        channels *= 2
    return ResNet(
        BasicStem(3, stem_channels, norm),
        stages,
        out_features=list(out_features),
        freeze_at=freeze_at,
    )


class TwoCoarserLevels(LastLevelP6P7):
    """P6 from the pyramid's P5 with stride 2, P7 from the rectified P6 (FCOS)."""

    def __init__(self, channels: int, in_feature: str = "p5") -> None:
        super().__init__(channels, channels, in_feature)


class CoarserLevel(LastLevelMaxPool):
    """One more level, every other cell of the coarsest one."""

    def __init__(self, in_feature: str) -> None:
        super().__init__()
        self.in_feature = in_feature


def pyramid(
    bottom_up: Backbone,
    in_features: Sequence[str],
    channels: int = 256,
    top_block: nn.Module | None = None,
) -> FPN:
    """A feature pyramid without normalisation over some features of a backbone."""
    return FPN(bottom_up, list(in_features), channels, norm="", top_block=top_block)
