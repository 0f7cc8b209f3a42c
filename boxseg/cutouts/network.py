"""A network that is shown cut-outs of known boxes and finds the objects in them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxseg.backbones.efficientnet_lite import EfficientNetLite
from boxseg.cutouts.cutouts import GRID, cell_places, ellipse_profile
from boxseg.cutouts.other_boxes import ON_ELLIPSE

AROUND = 5
"""Maps of what is around a cell: its place, its nearness to the middle, and the other boxes."""


class CutoutNetwork(nn.Module):
    """Log-odds of the object in each cell of a cut-out.

    A feature pyramid on EfficientNet-Lite0. It begins with the class; every level is told the
    places of its cells and the other boxes; and the finest, of 2 x 2 cells, is refined by the
    colours of the cells.

    Args:
        classes: of objects.
        pretrained: start from ImageNet weights; otherwise at random (tests).
    """

    def __init__(self, classes: int, pretrained: bool = True) -> None:
        super().__init__()
        channels, fine = 48, 16
        self.bottom_up = EfficientNetLite(
            "lite0", ("stride4", "stride8", "stride16", "stride32"), pretrained=pretrained
        )
        levels = self.bottom_up.output_shape().values()
        self.class_features = nn.Embedding(classes, channels)
        self.lateral = nn.ModuleList(nn.Conv2d(one.channels, channels, 1) for one in levels)
        self.around = nn.ModuleList(nn.Conv2d(AROUND, channels, 1) for _ in levels)
        self.smooth = nn.ModuleList(_normed(channels, channels, groups=8) for _ in levels)
        self.narrow = nn.Conv2d(channels, fine, 1)
        self.colors = nn.Sequential(nn.Conv2d(3 + AROUND, fine, 3, padding=1), nn.ReLU())
        self.fine = _normed(2 * fine, fine, groups=4)
        self.logits = nn.Conv2d(fine, 1, 1)
        places = 2 * cell_places(torch.device("cpu")) - 1
        profile = ellipse_profile(torch.device("cpu")).clamp(min=-ON_ELLIPSE)
        where = (places.expand(GRID, GRID), places[:, None].expand(GRID, GRID), profile)
        self.where: Tensor
        self.register_buffer("where", torch.stack(where)[None], persistent=False)

    def forward(self, pictures: Tensor, classes: Tensor, others: Tensor) -> Tensor:
        """Look at N objects.

        Args:
            pictures: (N, 3, P, P), RGB, 0-255; see `boxseg.cutouts.cutouts.pictures`.
            classes: int64 (N,).
            others: float32 (N, 2, GRID, GRID); see `boxseg.cutouts.other_boxes`.

        Returns:
            float32 (N, GRID, GRID), log-odds, valid in the boxes.
        """
        pixels = ((pictures - 127) / 127).contiguous(memory_format=torch.channels_last)
        around = torch.cat((self.where.expand(len(pictures), -1, -1, -1), others), dim=1)
        levels = list(self.bottom_up(pixels).values())
        parts = list(zip(levels, self.lateral, self.around, self.smooth, strict=True))
        above = self.class_features(classes)[:, :, None, None]
        for level, lateral, told, smooth in reversed(parts):
            size = level.shape[2:]
            here = lateral(level) + told(F.interpolate(around, size=size, mode="area"))
            above = smooth(here + _enlarged(above, size))
        cells = F.interpolate(pixels, size=GRID, mode="area")
        colors = self.colors(torch.cat((cells, around), dim=1))
        shapes = _enlarged(self.narrow(above), (GRID, GRID))
        logits: Tensor = self.logits(self.fine(torch.cat((shapes, colors), dim=1)))
        return logits[:, 0]

    @torch.no_grad()
    def both_ways(self, pictures: Tensor, classes: Tensor, others: Tensor) -> Tensor:
        """The mean of the log-odds of the objects and of their mirror images; see `forward`."""
        mirrored = self(pictures.flip(3), classes, others.flip(3)).flip(2)
        return (self(pictures, classes, others) + mirrored) / 2


def _normed(inputs: int, outputs: int, groups: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    return nn.Sequential(convolution, nn.GroupNorm(groups, outputs), nn.ReLU())


def _enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
