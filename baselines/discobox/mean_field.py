"""Mean field on masks inside their boxes: neighbours of one colour vote for one label (DiscoBox).

Lan et al., "DiscoBox: Weakly Supervised Instance Segmentation and Semantic Correspondence from Box
Supervision", ICCV 2021. The paper has a unary term and probabilities; `BinaryMeanField` is what the
released code does, `SoftMeanField` what the paper says.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.input_images import normalised

RGB_MEAN = (123.675, 116.28, 103.53)
RGB_STD = (58.395, 57.12, 57.375)
"""The colours that kernels compare are counted in these, whatever the network normalises by."""

MESSAGE_WEIGHT = 0.01
"""Of what objects of other images say about a pixel, beside what its neighbours say."""

FLOOR = 1e-6
"""Added to what speaks for either label before the two are compared."""


def standard_colors(
    images: Tensor, image_sizes: Sequence[tuple[int, int]], size: tuple[int, int]
) -> Tensor:
    """Normalised colours on the grid of the masks: float32 (B, 3, h, w).

    Padding has the mean colour, 0. The resizing aligns the outermost cells with the outermost
    pixels, as the released code does.

    Args:
        images: (B, 3, H, W), RGB, 0-255, padded to one size.
        image_sizes: per image, (height, width) without padding.
        size: (h, w) of the masks.
    """
    mean, std = (images.new_tensor(c, dtype=torch.float32) for c in (RGB_MEAN, RGB_STD))
    colors = normalised(images.float(), image_sizes, mean[:, None, None], std[:, None, None])
    return F.interpolate(colors, size, mode="bilinear", align_corners=True)


@dataclass(frozen=True)
class NeighbourKernel:
    """How much every pixel's neighbours, and the pixel itself, count in its label.

    Attributes:
        weights: (B, s * s, h, w), neighbours row by row; 0 for those outside the map.
    """

    weights: Tensor

    @staticmethod
    def of(
        colors: Tensor,
        side: int = 3,
        strength: float = 2.0,
        color_scale: float = 0.5,
        distance_scale: float = 30.0,
    ) -> NeighbourKernel:
        """Strength x exp(-|I_n - I_p|^2 / (2 color_scale^2) - |n - p|^2 / (2 distance_scale^2)).

        Args:
            colors: (B, 3, h, w), see `standard_colors`.
            side: s of the square of neighbours, in cells; odd.
            strength: weight of a pixel of the same colour (alpha0 of the released code).
            color_scale, distance_scale: theta0 and theta1, in standard colours and in cells.
        """
        reach = side // 2
        inside = torch.ones_like(colors[:, :1])
        weights = []
        for (rows, columns), (colour, there) in zip(
            offsets(side),
            zip(shifted(colors, side), shifted(inside, side), strict=True),
            strict=True,
        ):
            distance = (rows - reach) ** 2 + (columns - reach) ** 2
            apart = (colour - colors).square().sum(dim=1, keepdim=True)
            exponent = -apart / (2 * color_scale**2) - distance / (2 * distance_scale**2)
            weights.append(strength * exponent.exp() * there)
        return NeighbourKernel(torch.cat(weights, dim=1))

    @property
    def side(self) -> int:
        """Of the square of neighbours, in cells."""
        return math.isqrt(self.weights.shape[1])

    def sums(self, maps: Tensor, image_index: Tensor) -> Tensor:
        """Weighted sums of every pixel's neighbours in maps (N, h, w): the same shape.

        Args:
            maps: of N objects.
            image_index: int64 (N,), the image of each.
        """
        total = torch.zeros_like(maps)
        for weights, neighbours in zip(
            self.weights.unbind(dim=1), shifted(maps, self.side), strict=True
        ):
            total.addcmul_(weights[image_index], neighbours)
        return total


def offsets(side: int) -> list[tuple[int, int]]:
    """Row and column of every cell of a square, row by row."""
    return [(row, column) for row in range(side) for column in range(side)]


def shifted(maps: Tensor, side: int) -> list[Tensor]:
    """Per neighbour of a square, views of maps (..., h, w) that have it in its pixel's place.

    Outside the maps is 0.
    """
    reach = side // 2
    height, width = maps.shape[-2:]
    padded = F.pad(maps, (reach, reach, reach, reach))
    return [padded[..., r : r + height, c : c + width] for r, c in offsets(side)]


class MeanField(ABC):
    """From probabilities and boxes to masks that follow the image's colours.

    Args:
        rounds: how often the neighbours vote.
        base: least probability of either label; the other's is then 1 - base.
        side: of the square of neighbours, in cells.
        strength, color_scale, distance_scale: see `NeighbourKernel.of`.
    """

    def __init__(
        self,
        rounds: int = 10,
        base: float = 0.1,
        side: int = 3,
        strength: float = 2.0,
        color_scale: float = 0.5,
        distance_scale: float = 30.0,
    ) -> None:
        self.rounds = rounds
        self.base = base
        self.side = side
        self.strength = strength
        self.color_scale = color_scale
        self.distance_scale = distance_scale

    def kernel(self, colors: Tensor) -> NeighbourKernel:
        """The kernel of images, from colours (B, 3, h, w); see `standard_colors`."""
        return NeighbourKernel.of(
            colors, self.side, self.strength, self.color_scale, self.distance_scale
        )

    @abstractmethod
    def __call__(
        self,
        kernel: NeighbourKernel,
        image_index: Tensor,
        probabilities: Tensor,
        boxes: Tensor,
        messages: Tensor | None = None,
    ) -> Tensor:
        """Masks of N objects: bool (N, h, w), inside their boxes; without gradient.

        Args:
            kernel: of the images.
            image_index: int64 (N,), the image of each object.
            probabilities: (N, h, w), of the foreground.
            boxes: bool (N, h, w), the boxes' masks.
            messages: (N, 2, h, w), what else speaks for background and for foreground.
        """


class BinaryMeanField(MeanField):
    """The released rule: labels are made binary after every round, and the start is forgotten.

    In a round, what speaks for a label is the product of q_n^k_n over the neighbours, where q_n is
    1 - base if neighbour n has the label and base if not: a vote weighted by the kernel. Where next
    to nothing speaks for either, the floor makes the two equal and the pixel has neither label in
    the next round.
    """

    @torch.no_grad()
    def __call__(
        self,
        kernel: NeighbourKernel,
        image_index: Tensor,
        probabilities: Tensor,
        boxes: Tensor,
        messages: Tensor | None = None,
    ) -> Tensor:
        inside = boxes.to(probabilities.dtype)
        probabilities = probabilities * inside
        labels = torch.stack((1 - probabilities, probabilities)) > 0.5
        unlikely, likely = -math.log(self.base), -math.log(1 - self.base)
        known = kernel.sums(torch.ones_like(inside), image_index)
        for _ in range(self.rounds):
            votes = torch.stack([kernel.sums(x, image_index) for x in labels.to(inside.dtype)])
            energies = likely * votes + unlikely * (known - votes)
            labels = shares(energies, inside, messages) > 0.5
        return labels[1]


class SoftMeanField(MeanField):
    """Probabilities are kept from round to round, and the start speaks in every one."""

    @torch.no_grad()
    def __call__(
        self,
        kernel: NeighbourKernel,
        image_index: Tensor,
        probabilities: Tensor,
        boxes: Tensor,
        messages: Tensor | None = None,
    ) -> Tensor:
        inside = boxes.to(probabilities.dtype)
        start = (probabilities * inside).clamp(self.base, 1 - self.base)
        unary = -torch.stack((1 - start, start)).log()
        labels = torch.stack((1 - start, start))
        for _ in range(self.rounds):
            votes = torch.stack([kernel.sums(x, image_index) for x in labels.log()])
            labels = shares(unary - votes, inside, messages).clamp(self.base, 1 - self.base)
        return labels[1] > 0.5


def shares(energies: Tensor, inside: Tensor, messages: Tensor | None) -> Tensor:
    """The shares of background and foreground in what speaks for the two: (2, N, h, w).

    Args:
        energies: (2, N, h, w), of background and foreground.
        inside: (N, h, w), the boxes' masks; outside nothing speaks for the foreground.
        messages: see `MeanField`.
    """
    speaks = energies.neg().exp_()
    if messages is not None:
        speaks += MESSAGE_WEIGHT * messages.transpose(0, 1)
    speaks[1] *= inside
    speaks += FLOOR
    return speaks / speaks.sum(dim=0)
