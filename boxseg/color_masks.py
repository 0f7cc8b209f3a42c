"""Masks for known boxes from the colours in and around them; nothing is learnt of other images.

The colours of a box are told apart from those around it as in GrabCut (Rother, Kolmogorov and
Blake, SIGGRAPH 2004), but softly: a pixel also believes in the ellipse in the box, as far as its
colour says nothing, and in neighbours of its colour (a mean field, Kraehenbuehl and Koltun, NIPS
2011, of near neighbours alone). All objects have one size here, so small ones lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from detectron2.layers.mask_ops import paste_masks_in_image
from torch import Tensor
from torchvision.ops import roi_align

from boxseg.color import rgb_to_lab
from boxseg.pixel_pairs import DIRECTIONS, pair_views
from boxseg.trivial_masks import filled_boxes

GRID = 64
"""Cells along a side of a cut-out."""
MARGIN = 0.3
"""Of the box's sides that a cut-out has on each side besides the box."""
OBJECTS_AT_ONCE = 32
"""Whose maps stay in a processor's cache together."""
RARE = 0.01
"""Share added to that of every colour, so that one seen on one side alone is no certainty."""


@dataclass(frozen=True)
class Cutouts:
    """Objects and what surrounds them, each on a grid of `GRID` x `GRID` cells.

    Attributes:
        lab: float32 (N, 3, GRID, GRID), CIE LAB, of the mean colours of the cells.
        inside: bool (N, GRID, GRID), the cell is in the box and in the image.
        outside: bool, likewise, it is in the image and not in the box.
    """

    lab: Tensor
    inside: Tensor
    outside: Tensor

    @classmethod
    def of(cls, image: Tensor, boxes: Tensor) -> Cutouts:
        """Cut N boxes out of an image (3, H, W), RGB, 0-255.

        Args:
            image: on the device to compute on.
            boxes: float32 (N, 4), XYXY in pixels, with an area.
        """
        height, width = image.shape[1:]
        windows = enlarged(boxes)
        # Averaged first: a large photograph in LAB would take a gigabyte.
        lab = rgb_to_lab(roi_align(image.float()[None], [windows], GRID, aligned=True))
        places = _cell_places(boxes.device)
        low, high = windows[:, None, :2], windows[:, None, 2:]
        pixels = low + (places[:, None] + MARGIN) / (1 + 2 * MARGIN) * (high - low)
        size = torch.tensor([width, height], dtype=boxes.dtype, device=boxes.device)
        columns, rows = ((pixels >= 0) & (pixels < size)).unbind(dim=2)
        there = rows[:, :, None] & columns[:, None]
        in_side = (places > 0) & (places < 1)
        in_box = in_side[:, None] & in_side
        return cls(lab, there & in_box, there & ~in_box)

    def __len__(self) -> int:
        return len(self.lab)

    def __getitem__(self, objects: slice) -> Cutouts:
        """Those of some objects."""
        return Cutouts(self.lab[objects], self.inside[objects], self.outside[objects])


def enlarged(boxes: Tensor) -> Tensor:
    """What a cut-out shows of the image: boxes (N, 4) with `MARGIN` on each side."""
    sides = (boxes[:, 2:] - boxes[:, :2]) * MARGIN
    return torch.cat((boxes[:, :2] - sides, boxes[:, 2:] + sides), dim=1)


def _cell_places(device: torch.device) -> Tensor:
    """Middles of the cells along a side, in sides of the box from its beginning: (GRID,)."""
    middles = (torch.arange(GRID, device=device) + 0.5) / GRID
    return middles * (1 + 2 * MARGIN) - MARGIN


@dataclass(frozen=True)
class ColorModel:
    """What a cell believes in. `experiments/conf/scale/photos.md` has how its numbers were chosen.

    Attributes:
        prior: log-odds of the middle of the box; they fall with the square of the distance, to 0
            on the ellipse that touches its sides and below outside it.
        colors: kinds of colours that an object's cut-out is divided into.
        trust: factor of the log-odds that a cell's kind of colour gives it.
        certainty: greatest log-odds that a kind of colour has, before the factor.
        smoothness: log-odds that a neighbour of the same colour gives, if it is sure.
        alike: difference of colours, in LAB, at which a neighbour's word counts for 1 / e.
        distances: of a cell's neighbours, eight at each.
        rounds: how often colours are counted anew.
    """

    prior: float = 1.0
    colors: int = 24
    trust: float = 0.5
    certainty: float = 3.0
    smoothness: float = 0.6
    alike: float = 8.0
    distances: tuple[int, ...] = (2, 5)
    rounds: int = 5

    @torch.no_grad()
    def logits(self, cutouts: Cutouts) -> Tensor:
        """Log-odds of the foreground, float32 (N, GRID, GRID); of cells in the boxes alone."""
        parts = [
            self._logits(cutouts[start : start + OBJECTS_AT_ONCE])
            for start in range(0, len(cutouts), OBJECTS_AT_ONCE)
        ]
        return torch.cat([cutouts.lab.new_zeros(0, GRID, GRID), *parts])

    def _logits(self, cutouts: Cutouts) -> Tensor:
        inside, outside = cutouts.inside.float(), cutouts.outside.float()
        kinds = kinds_of_color(cutouts.lab, self.colors)
        alike = self._alikeness(cutouts.lab)
        distance = (2 * _cell_places(cutouts.lab.device) - 1).square()
        belief = self.prior * (1 - distance[:, None] - distance)
        logits = belief.expand_as(inside)
        for _ in range(self.rounds):
            share = logits.sigmoid() * inside
            said = self._said_by_color(kinds, share, inside - share + outside)
            of_itself = belief + self.trust * said
            logits = of_itself
            for _ in range(2):
                sure = (2 * logits.sigmoid() - 1) * inside - outside
                logits = of_itself + self.smoothness * self._heard(alike, sure)
        return logits

    def _said_by_color(self, kinds: Tensor, front: Tensor, back: Tensor) -> Tensor:
        """Log-odds of each cell's kind of colour: kinds int64, the others float32 (N, G, G)."""

        def shares(weights: Tensor) -> Tensor:
            sums = weights.new_zeros(len(weights), self.colors)
            sums = sums.scatter_add_(1, kinds.flatten(1), weights.flatten(1))
            return sums / sums.sum(dim=1, keepdim=True).clamp(min=1e-6)

        odds = ((shares(front) + RARE) / (shares(back) + RARE)).log()
        odds = odds.clamp(-self.certainty, self.certainty)
        return odds.gather(1, kinds.flatten(1)).view_as(front)

    def _alikeness(self, lab: Tensor) -> list[tuple[int, tuple[int, int], Tensor]]:
        """For each distance and direction, how much the two of a pair count for one another."""
        pairs = []
        for distance in self.distances:
            for direction in DIRECTIONS:
                first, second = pair_views(lab, direction, distance)
                apart = (first - second).square().sum(dim=1).sqrt()
                pairs.append((distance, direction, (-apart / self.alike).exp()))
        return pairs

    def _heard(self, alike: list[tuple[int, tuple[int, int], Tensor]], sure: Tensor) -> Tensor:
        """What each cell hears of its neighbours, who are sure in [-1, 1]: (N, G, G)."""
        heard = torch.zeros_like(sure)
        for distance, direction, weight in alike:
            one, other = pair_views(sure, direction, distance)
            to_one, to_other = pair_views(heard, direction, distance)
            to_one += weight * other
            to_other += weight * one
        return heard


def kinds_of_color(lab: Tensor, kinds: int) -> Tensor:
    """The kind of colour of each cell, by k-means in each cut-out: int64 (N, G, G).

    It begins with the colours of the same cells of every cut-out, and takes six rounds.
    """
    colors = lab.flatten(2).transpose(1, 2)
    generator = torch.Generator().manual_seed(0)
    first = torch.randperm(colors.shape[1], generator=generator)[:kinds].to(lab.device)
    means = colors[:, first]
    ones = torch.ones_like(colors[..., :1])
    with_count = torch.cat((colors, ones), dim=2)
    nearest = first.new_zeros(colors.shape[:2])
    for _ in range(6):
        # Of |c - m|^2 the part that depends on the mean.
        nearest = (means.square().sum(dim=2)[:, None] - 2 * colors @ means.mT).argmin(dim=2)
        index = nearest[..., None].expand_as(with_count)
        sums = with_count.new_zeros(len(lab), kinds, 4).scatter_add_(1, index, with_count)
        count = sums[..., 3:]
        means = torch.where(count > 0, sums[..., :3] / count.clamp(min=1), means)
    return nearest.view(len(lab), *lab.shape[2:])


@dataclass(frozen=True)
class ColorMasks:
    """What colours say of the boxes of an image.

    Attributes:
        boxes: float32 (N, 4), XYXY in pixels of the image.
        probabilities: float32 (N, GRID, GRID), over the enlarged boxes.
        quality: float32 (N,), in [0, 1]: the IoU of the masks that a tenth of a strong prior and
            that the strong one give. Where colours decide, the prior does not matter.
        size: height and width of the image.
    """

    boxes: Tensor
    probabilities: Tensor
    quality: Tensor
    size: tuple[int, int]

    def masks(self, run: slice) -> Tensor:
        """Bool (n, H, W) on the CPU, of a run of the objects, within their boxes."""
        boxes = self.boxes[run]
        drawn = paste_masks_in_image(self.probabilities[run], enlarged(boxes), self.size, 0.5)
        return (drawn & filled_boxes(boxes, *self.size)).cpu()


def color_masks(
    image: np.ndarray, boxes: Tensor, device: torch.device, model: ColorModel | None = None
) -> ColorMasks:
    """Masks for the boxes of an image.

    Args:
        image: uint8 (H, W, 3), RGB.
        boxes: (N, 4), XYXY in pixels, with an area in the image.
        device: to compute on.
        model: what a cell believes in.
    """
    model = model or ColorModel()
    boxes = boxes.to(device, torch.float32)
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(device)
    cutouts = Cutouts.of(pixels, boxes)
    weak, strong = (
        (replace(model, prior=prior).logits(cutouts) > 0) & cutouts.inside
        for prior in (0.3 * model.prior, 3 * model.prior)
    )
    common = (weak & strong).flatten(1).sum(dim=1)
    quality = common / (weak | strong).flatten(1).sum(dim=1).clamp(min=1)
    probabilities = model.logits(cutouts).sigmoid()
    return ColorMasks(boxes, probabilities, quality, (image.shape[0], image.shape[1]))
