"""The mask branch: one map of mask features per image, shared by its objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectron2.layers import get_norm
from torch import Tensor, nn

from boxseg.aligned_upsample import aligned_upsample


def convolution_block(in_channels: int, out_channels: int, norm: str = "BN") -> nn.Sequential:
    """3x3 convolution without bias, normalisation (in Detectron2's naming), ReLU."""
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, get_norm(norm, out_channels), nn.ReLU(inplace=True))


class MaskBranch(nn.Module):
    """Merges pyramid levels at the finest one's stride into mask features (CondInst).

    Args:
        in_features: names of the pyramid's levels, finest first, each at twice the stride of the
            one before.
        in_channels: of the pyramid.
        channels: of the branch.
        convolutions: 3x3 convolutions after the merge.
        out_channels: mask features per pixel.
        norm: of the 3x3 convolutions; "BN" in every published model.
    """

    def __init__(
        self,
        in_features: Sequence[str],
        in_channels: int,
        channels: int = 128,
        convolutions: int = 4,
        out_channels: int = 8,
        norm: str = "BN",
    ) -> None:
        super().__init__()
        self.in_features = tuple(in_features)
        self.out_channels = out_channels
        self.refine = nn.ModuleList(
            convolution_block(in_channels, channels, norm) for _ in in_features
        )
        blocks = [convolution_block(channels, channels, norm) for _ in range(convolutions)]
        last = nn.Conv2d(channels, out_channels, 1)
        nn.init.kaiming_uniform_(last.weight, a=1)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.tower = nn.Sequential(*blocks, last)

    def forward(self, pyramid: Mapping[str, Tensor]) -> Tensor:
        """Mask features (B, out_channels, H, W) at the stride of the finest level used."""
        merged: Tensor | None = None
        for index, (name, refine) in enumerate(zip(self.in_features, self.refine, strict=True)):
            level = aligned_upsample(refine(pyramid[name]), 2**index)
            merged = level if merged is None else merged + level
        return self.tower(merged)
