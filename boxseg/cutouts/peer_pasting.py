"""Peers pasted on cut-outs: what stands in front is known where it has been put there.

A sixth of the cells of a box are those of other objects, and no label by colours says which. In a
photograph that another object was pasted on, what it hides is not the object's; half of the peers
are put behind it instead, so that a box alone does not tell that something stands there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.cutouts.cutouts import cell_places, enlarged
from boxseg.cutouts.other_boxes import nearness

PEERS = 2
"""That are pasted on an object, one after the other."""
PASTED = 0.8
"""Share of them that are; the others are left out."""
IN_FRONT = 0.5
"""Share of the peers that hide the object; the others are hidden by it."""
SMALLEST, LARGEST = 0.3, 1.5
"""Sides of a peer's box, in those of the object's box."""
BEYOND = 0.1
"""How far outside the object's box the middle of a peer's may be, in the box's sides."""


@dataclass(frozen=True)
class LabeledCutouts:
    """What a network is shown of N objects, and what it is to find.

    Attributes:
        pictures: float32 (N, 3, P, P), RGB, 0-255.
        others: float32 (N, 2, GRID, GRID), where smaller and larger boxes are.
        inside: bool (N, GRID, GRID), the cell is in the box.
        labels: float32 (N, GRID, GRID) in [0, 1], the object's share of a cell.
    """

    pictures: Tensor
    others: Tensor
    inside: Tensor
    labels: Tensor

    def mask(self) -> Tensor:
        """Where the object is rather than not: bool (N, GRID, GRID)."""
        return (self.labels > 0.5) & self.inside

    def rolled(self, places: int) -> LabeledCutouts:
        """The objects, each at the place of one after it; the last come first."""
        maps = (self.pictures, self.others, self.inside, self.labels)
        return LabeledCutouts(*(one.roll(places, dims=0) for one in maps))


@dataclass(frozen=True)
class Placement:
    """Where a peer goes.

    Attributes:
        boxes: float32 (N, 4), XYXY of the peers, in sides of the object's box from its beginning.
        there: bool (N,), it is pasted at all.
        in_front: bool (N,), of the object.
    """

    boxes: Tensor
    there: Tensor
    in_front: Tensor

    @classmethod
    def drawn(cls, count: int, generator: torch.Generator, device: torch.device) -> Placement:
        """One for each of some objects, by a generator of the CPU."""
        sides = SMALLEST * (LARGEST / SMALLEST) ** torch.rand(count, 2, generator=generator)
        middles = (1 + 2 * BEYOND) * torch.rand(count, 2, generator=generator) - BEYOND
        boxes = torch.cat((middles - sides / 2, middles + sides / 2), dim=1)
        there = torch.rand(count, generator=generator) < PASTED
        in_front = torch.rand(count, generator=generator) < IN_FRONT
        return cls(boxes.to(device), there.to(device), in_front.to(device))


def with_peers(objects: LabeledCutouts, generator: torch.Generator) -> LabeledCutouts:
    """The objects of a batch, each with others of them pasted on its cut-out.

    Args:
        objects: more than `PEERS` of them; each has those of the places before its own.
        generator: of the CPU, that draws their places.
    """
    alone = objects
    for turn in range(1, PEERS + 1):
        placement = Placement.drawn(len(alone.labels), generator, alone.labels.device)
        objects = with_peer(objects, alone.rolled(turn), placement)
    return objects


def with_peer(
    objects: LabeledCutouts, peers: LabeledCutouts, placement: Placement
) -> LabeledCutouts:
    """The objects, each with one peer on its cut-out."""
    put = _put(peers.mask().float(), placement.boxes) * placement.there[:, None, None]
    hidden = objects.mask() & ~placement.in_front[:, None, None]
    shares = put * ~hidden
    pictures = objects.pictures
    of_pixels = F.interpolate(
        shares[:, None], size=pictures.shape[2:], mode="bilinear", align_corners=False
    )
    pasted = _put(peers.pictures, placement.boxes)
    low, high = placement.boxes[:, :2], placement.boxes[:, 2:]
    cells = cell_places(shares.device)[:, None].expand(len(shares), -1, 2)
    near = nearness(cells, placement.boxes) * placement.there[:, None, None]
    smaller = ((high - low).prod(dim=1) < 1)[:, None, None]
    return replace(
        objects,
        pictures=pictures + of_pixels * (pasted - pictures),
        others=torch.maximum(objects.others, torch.stack((near * smaller, near * ~smaller), 1)),
        labels=objects.labels * (1 - shares),
    )


def _put(maps: Tensor, boxes: Tensor) -> Tensor:
    """Cut-outs of peers as seen in those of the objects: (N, P, P) or (N, C, P, P) likewise.

    Masks end where the peer's cut-out does, as its box is inside it.
    """
    low, high = enlarged(boxes).chunk(2, dim=1)
    places = cell_places(maps.device, maps.shape[-1])
    of_columns, of_rows = (
        2 * (places - low[:, axis, None]) / (high - low)[:, axis, None] - 1 for axis in (0, 1)
    )
    size = (len(maps), len(places), len(places))
    grid = torch.stack((of_columns[:, None].expand(size), of_rows[:, :, None].expand(size)), dim=3)
    channels = maps.unsqueeze(1) if maps.ndim == 3 else maps
    found = F.grid_sample(channels, grid, align_corners=False)
    return found.view(*maps.shape)
