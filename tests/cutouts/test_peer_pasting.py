"""Peers pasted on cut-outs, in front and behind."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from boxseg.cutouts.cutouts import GRID, PIXELS_OF_A_CELL, cell_places
from boxseg.cutouts.peer_pasting import LabeledCutouts, Placement, with_peer, with_peers

CPU = torch.device("cpu")
OBJECT, GROUND = 100.0, 20.0
"""Brightness of an object and of what is around it; objects differ by 10."""


def inside() -> Tensor:
    places = cell_places(CPU)
    in_side = (places > 0) & (places < 1)
    return in_side[:, None] & in_side


def upper_half() -> Tensor:
    return inside() & (cell_places(CPU) < 0.5)[:, None]


def shown(mask: Tensor, count: int) -> LabeledCutouts:
    """Objects of one shape, without other boxes, told apart by their brightness."""
    cells = torch.where(mask, OBJECT, GROUND) + 10 * torch.arange(count)[:, None, None]
    pixels = cells.repeat_interleave(PIXELS_OF_A_CELL, 1).repeat_interleave(PIXELS_OF_A_CELL, 2)
    return LabeledCutouts(
        pixels[:, None].expand(-1, 3, -1, -1),
        torch.zeros(count, 2, GRID, GRID),
        inside().expand(count, -1, -1),
        mask.float().expand(count, -1, -1),
    )


def placed(
    box: tuple[float, ...], count: int, there: bool = True, in_front: bool = True
) -> Placement:
    every = torch.ones(count, dtype=torch.bool)
    return Placement(torch.tensor(box).expand(count, 4), every & there, every & in_front)


def brightness(objects: LabeledCutouts, number: int) -> Tensor:
    """In the first pixel of each cell: (GRID, GRID)."""
    return objects.pictures[number, 0, ::PIXELS_OF_A_CELL, ::PIXELS_OF_A_CELL]


def cell(x: float, y: float) -> tuple[int, int]:
    """Row and column of the cell at a place in the box's sides."""
    places = cell_places(CPU)
    return int((places - y).abs().argmin()), int((places - x).abs().argmin())


def test_a_peer_in_front_hides_what_it_covers() -> None:
    objects = shown(inside(), 2)
    # The peer is the upper half of its box, which is the lower left quarter of the object's.
    peers = shown(upper_half(), 2).rolled(1)
    found = with_peer(objects, peers, placed((0.0, 0.5, 0.5, 1.0), 2))
    covered, below, beside = cell(0.25, 0.6), cell(0.25, 0.9), cell(0.75, 0.6)
    assert found.labels[0][covered] == 0
    assert found.labels[0][below] == found.labels[0][beside] == 1
    assert brightness(found, 0)[covered] == OBJECT + 10  # the second's
    assert brightness(found, 1)[covered] == OBJECT  # the first's
    assert brightness(found, 0)[below] == brightness(found, 0)[beside] == OBJECT
    lost = float((objects.labels - found.labels)[0].sum() / objects.labels[0].sum())
    assert lost == pytest.approx(1 / 8, abs=0.01)


def test_a_peer_behind_shows_beside_the_object_alone() -> None:
    objects = shown(upper_half(), 2)
    found = with_peer(
        objects, shown(inside(), 2).rolled(1), placed((0.25, 0.25, 0.75, 0.75), 2, in_front=False)
    )
    assert torch.equal(found.labels, objects.labels)
    assert brightness(found, 0)[cell(0.5, 0.4)] == OBJECT
    assert brightness(found, 0)[cell(0.5, 0.6)] == OBJECT + 10
    assert brightness(found, 0)[cell(0.5, 0.8)] == GROUND


def test_what_is_not_there_leaves_no_trace() -> None:
    objects = shown(upper_half(), 3)
    found = with_peer(objects, objects.rolled(1), placed((0.2, 0.2, 0.8, 0.8), 3, there=False))
    for name in ("pictures", "others", "inside", "labels"):
        assert torch.equal(getattr(found, name), getattr(objects, name)), name


@pytest.mark.parametrize(
    ("box", "told", "other"), [((0.0, 0.0, 0.5, 0.5), 0, 1), ((-0.5, 0.0, 1.5, 1.0), 1, 0)]
)
def test_its_box_is_told_among_smaller_or_larger_ones(
    box: tuple[float, ...], told: int, other: int
) -> None:
    objects = shown(inside(), 2)
    near = torch.full_like(objects.others, 0.5)
    found = with_peer(replace(objects, others=near), objects, placed(box, 2)).others[0]
    middle = cell((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    assert float(found[told][middle]) == pytest.approx(3, abs=0.02)
    assert torch.equal(found[other], near[0, other])
    assert float(found[told].min()) == 0.5  # what was nearer stays


def test_peers_are_others_of_the_batch() -> None:
    objects = shown(inside(), 8)
    found = with_peers(objects, torch.Generator().manual_seed(0))
    again = with_peers(objects, torch.Generator().manual_seed(0))
    assert torch.equal(found.pictures, again.pictures)
    seen = set()
    for number in range(8):
        bright = brightness(found, number)[found.inside[number] & (found.labels[number] == 0)]
        peers = {(value - OBJECT) / 10 for value in bright.tolist()}
        whole = {int(peer) for peer in peers if peer == int(peer)}
        assert whole <= {(number - 1) % 8, (number - 2) % 8}
        seen |= whole
    assert len(seen) > 3
    assert 0.1 < float((found.labels[:, inside()] == 0).float().mean()) < 0.7


def test_places_are_drawn_within_bounds() -> None:
    placement = Placement.drawn(2000, torch.Generator().manual_seed(0), CPU)
    low, high = placement.boxes[:, :2], placement.boxes[:, 2:]
    sides, middles = high - low, (high + low) / 2
    assert 0.3 <= float(sides.min()) < 0.31
    assert 1.47 < float(sides.max()) <= 1.5001
    assert float((sides < 0.3 * 5**0.5).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert -0.1001 <= float(middles.min()) < -0.09
    assert 1.09 < float(middles.max()) <= 1.1001
    assert float(placement.there.float().mean()) == pytest.approx(0.8, abs=0.03)
    assert float(placement.in_front.float().mean()) == pytest.approx(0.5, abs=0.04)
