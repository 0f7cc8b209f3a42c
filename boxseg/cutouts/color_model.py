"""What the colours in and around a box say of the object in it; nothing is learnt here.

The colours of a box are told apart from those around it as in GrabCut (Rother, Kolmogorov and
Blake, SIGGRAPH 2004), but softly: a pixel also has a belief of its own, without any other the
ellipse in the box, and believes in neighbours of its colour (a mean field, Kraehenbuehl and Koltun,
NIPS 2011, of near neighbours alone).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from boxseg.cutouts.cutouts import GRID, Cutouts, ellipse_profile
from boxseg.pixel_pairs import DIRECTIONS, pair_views

OBJECTS_AT_ONCE = 32
"""Whose maps stay in a processor's cache together."""
RARE = 0.01
"""Share added to that of every colour, so that one seen on one side alone is no certainty."""


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
    def logits(self, cutouts: Cutouts, belief: Tensor | None = None) -> Tensor:
        """Log-odds of the object in each cell.

        Args:
            cutouts: of N objects.
            belief: float32 (N, GRID, GRID), log-odds that each cell has of itself; by default
                those of the ellipse.

        Returns:
            float32 (N, GRID, GRID), valid in the boxes.
        """
        if belief is None:
            profile = self.prior * ellipse_profile(cutouts.lab.device)
            belief = profile.expand(len(cutouts), -1, -1)
        runs = [slice(i, i + OBJECTS_AT_ONCE) for i in range(0, len(cutouts), OBJECTS_AT_ONCE)]
        parts = [self._logits(cutouts[run], belief[run]) for run in runs]
        return torch.cat([cutouts.lab.new_zeros(0, GRID, GRID), *parts])

    def _logits(self, cutouts: Cutouts, belief: Tensor) -> Tensor:
        inside, outside = cutouts.inside.float(), cutouts.outside.float()
        kinds = kinds_of_color(cutouts.lab, self.colors)
        alike = self._alikeness(cutouts.lab)
        logits = belief
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
