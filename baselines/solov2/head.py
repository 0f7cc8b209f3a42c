"""What SOLOv2 predicts at the cells of its grids, and the features that its masks are made of.

A mask is the product of the features with one kernel: a 1 x 1 convolution that a cell predicts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxseg.ragged import first_places, image_index, padded_places

GROUPS = 32
"""Of the group normalisation."""


def convolution_block(
    in_channels: int, out_channels: int, kernel_size: int = 3, normalise: bool = True
) -> nn.Sequential:
    """Convolution without bias, group normalisation or none, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    ]
    if normalise:
        layers.append(nn.GroupNorm(GROUPS, out_channels))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


def tower(widths: Sequence[int]) -> nn.Sequential:
    """3x3 convolutions with normalisation, from each of so many channels to the next."""
    return nn.Sequential(*(convolution_block(*pair) for pair in pairwise(widths)))


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, C, h, w) resized bilinearly, corners not aligned."""
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


def with_coordinates(maps: Tensor) -> Tensor:
    """Maps (B, C, h, w) with x and y appended, -1 at the first column and row, 1 at the last."""
    batch, _, height, width = maps.shape
    x = torch.linspace(-1, 1, width, device=maps.device, dtype=maps.dtype)
    y = torch.linspace(-1, 1, height, device=maps.device, dtype=maps.dtype)
    x = x.expand(batch, 1, height, width)
    y = y[:, None].expand(batch, 1, height, width)
    return torch.cat((maps, x, y), dim=1)


def initialise(module: nn.Module) -> None:
    """Normal weights of deviation 0.01 and no bias for all convolutions."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, std=0.01)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


@dataclass(frozen=True)
class CellOutputs:
    """Predictions at the A cells of B images: level slowest, then row, then column.

    Attributes:
        logits: float32 (B, classes, A).
        kernels: float32 (B, D, A).
    """

    logits: Tensor
    kernels: Tensor


@dataclass(frozen=True)
class Features:
    """What the network computes of a batch before any object is chosen.

    Attributes:
        outputs: at the cells of the grids.
        mask_features: (B, D, h, w).
        finest: (B, C, h, w), what the pyramid has at the mask features' stride.
        size: height and width of the padded images.
    """

    outputs: CellOutputs
    mask_features: Tensor
    finest: Tensor
    size: tuple[int, int]


class SOLOv2Head(nn.Module):
    """Two towers, shared by all levels, on features resized to the levels' grids.

    The finest level is halved first, and the coarsest enlarged to the size of the one before it.

    Args:
        in_channels: of the pyramid.
        channels: of the towers.
        kernel_channels: D, of the kernels.
        num_classes: foreground classes.
        num_grids: per level, cells along each side.
        convolutions: 3x3 convolutions of a tower, at least one.
        kernel_size: of the convolution that predicts kernels: 3, or 1 in Box2Mask.
        prior_probability: of a foreground class at the start of training.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_channels: int,
        num_classes: int,
        num_grids: Sequence[int],
        convolutions: int = 4,
        kernel_size: int = 3,
        prior_probability: float = 0.01,
    ) -> None:
        super().__init__()
        self.num_grids = tuple(num_grids)
        self.kernel_tower = tower([in_channels + 2, *[channels] * convolutions])
        self.class_tower = tower([in_channels, *[channels] * convolutions])
        self.kernels = nn.Conv2d(channels, kernel_channels, kernel_size, padding=kernel_size // 2)
        self.classes = nn.Conv2d(channels, num_classes, 3, padding=1)
        initialise(self)
        assert self.classes.bias is not None
        nn.init.constant_(self.classes.bias, -math.log(1 / prior_probability - 1))

    def forward(self, pyramid: Sequence[Tensor]) -> CellOutputs:
        """Predict from the pyramid's levels, each (B, C, H, W), finest first."""
        halved = [side // 2 for side in pyramid[0].shape[2:]]
        inputs = [resized(pyramid[0], (halved[0], halved[1])), *pyramid[1:]]
        inputs[-1] = resized(inputs[-1], (inputs[-2].shape[2], inputs[-2].shape[3]))
        logits, kernels = [], []
        for maps, cells in zip(inputs, self.num_grids, strict=True):
            grid = resized(with_coordinates(maps), (cells, cells))
            kernels.append(self.kernels(self.kernel_tower(grid)).flatten(2))
            logits.append(self.classes(self.class_tower(grid[:, :-2])).flatten(2))
        return CellOutputs(torch.cat(logits, dim=2).float(), torch.cat(kernels, dim=2).float())


class MaskFeatures(nn.Module):
    """Merges pyramid levels at the finest one's stride into what masks are made of.

    Level k has max(k, 1) convolutions, and k times its size is doubled; the coarsest is told where
    its cells are.

    Args:
        in_channels: of the pyramid.
        channels: of the levels.
        out_channels: D, of the features.
        num_levels: each at twice the stride of the one before.
        normalise: group normalisation after every convolution, and a ReLU at the end; Box2Mask's
            have neither.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        num_levels: int,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for level in range(num_levels):
            first = in_channels + 2 * (level == num_levels - 1)
            layers: list[nn.Module] = []
            for before, after in pairwise([first, *[channels] * max(level, 1)]):
                layers.append(convolution_block(before, after, normalise=normalise))
                if level:
                    layers.append(nn.Upsample(scale_factor=2, mode="bilinear"))
            self.levels.append(nn.Sequential(*layers))
        self.merged: nn.Module = (
            convolution_block(channels, out_channels, kernel_size=1)
            if normalise
            else nn.Conv2d(channels, out_channels, 1)
        )
        initialise(self)

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Mask features (B, D, H, W) from levels (B, C, H / 2^k, W / 2^k), finest first."""
        inputs = [*pyramid[:-1], with_coordinates(pyramid[-1])]
        finest, *others = (level(maps) for level, maps in zip(self.levels, inputs, strict=True))
        return self.merged(sum(others, finest))


def mask_block(features: Tensor, kernels: Tensor, cells: Tensor) -> Tensor:
    """Mask logits of as many cells of every image: float32 (B, n, h, w).

    Args:
        features: (B, D, h, w).
        kernels: float32 (B, D, A).
        cells: int64 (B, n), among the A.
    """
    chosen = kernels.gather(2, cells[:, None].expand(-1, kernels.shape[1], -1))
    products = chosen.transpose(1, 2) @ features.float().flatten(2)
    return products.unflatten(2, (features.shape[2], features.shape[3]))


def masks_at(features: Tensor, kernels: Tensor, cells: Tensor, counts: Sequence[int]) -> Tensor:
    """Mask logits of cells of several images: float32 (P, h, w).

    Args:
        features, kernels: see `mask_block`.
        cells: int64 (P,), one image's after the other's.
        counts: how many of them are each image's.
    """
    places, _ = padded_places(counts, cells.device)
    most = places.shape[1]
    padded = cells[places] if len(cells) else places
    block = mask_block(features, kernels, padded).flatten(0, 1)
    images = image_index(counts, cells.device)
    rank = torch.arange(len(cells), device=cells.device)
    rank = rank - first_places(counts, cells.device)[images]
    return block.index_select(0, images * most + rank)
