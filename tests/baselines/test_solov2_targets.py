"""Cells of SOLOv2's grids and their objects, beside the definition cell by cell."""

from __future__ import annotations

import math

import pytest
import torch
from detectron2.structures import Boxes, Instances

from baselines.rounded_boxes import rounded_box_areas, rounded_box_centers
from baselines.solov2 import BestCells, CentralCells, LastObjectsCells

GRIDS = (7, 5, 3)
RANGES = ((1, 24), (12, 48), (24, 200))
CLASSES = 4
PADDED = (96, 128)
KINDS = (CentralCells, LastObjectsCells, BestCells)


def objects_of(seed: int, counts: tuple[int, ...] = (5, 0, 8)) -> list[Instances]:
    generator = torch.Generator().manual_seed(seed)
    found = []
    for number, count in enumerate(counts):
        height, width = PADDED[0] - 7 * number, PADDED[1] - 5 * number
        sides = torch.rand(count, 2, generator=generator) ** 2 * 70 + 2
        corners = torch.rand(count, 2, generator=generator) * (torch.tensor([width, height]) - 4)
        ends = torch.minimum(corners + sides, torch.tensor([float(width), float(height)]))
        one = Instances((height, width))
        one.gt_boxes = Boxes(torch.cat((corners, ends), dim=1))
        one.gt_classes = torch.randint(CLASSES, (count,), generator=generator)
        found.append(one)
    return found


def levels_by_definition(kind: type[CentralCells], side: float) -> list[int]:
    if kind is BestCells:
        apart = [abs(math.log(side / math.sqrt(low * high))) for low, high in RANGES]
        return [apart.index(min(apart))]
    return [level for level, (low, high) in enumerate(RANGES) if low <= side <= high]


def claims_by_definition(
    kind: type[CentralCells], objects: list[Instances]
) -> list[tuple[int, int, int, int]]:
    """(object, image, level, cell) in their order, before any is dropped."""
    claims, number = [], 0
    for image, one in enumerate(objects):
        for box, (x, y) in zip(
            one.gt_boxes.tensor.tolist(), rounded_box_centers(one).tolist(), strict=True
        ):
            width, height = box[2] - box[0], box[3] - box[1]
            reach = 0 if kind is BestCells else 1
            for level in levels_by_definition(kind, math.sqrt(width * height)):
                cells = GRIDS[level]

                def place(value: float, extent: int, cells: int = cells) -> int:
                    return min(max(math.floor(value / extent * cells), 0), cells - 1)

                row, column = place(y, PADDED[0]), place(x, PADDED[1])
                for r in range(row - reach, row + reach + 1):
                    for c in range(column - reach, column + reach + 1):
                        if place(y - 0.1 * height, PADDED[0]) <= r <= place(
                            y + 0.1 * height, PADDED[0]
                        ) and place(x - 0.1 * width, PADDED[1]) <= c <= place(
                            x + 0.1 * width, PADDED[1]
                        ):
                            claims.append((number, image, level, r * cells + c))
            number += 1
    return claims


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_those_of_the_definition(kind: type[CentralCells], seed: int) -> None:
    objects = objects_of(seed)
    assign = kind(GRIDS, RANGES, CLASSES)
    targets = assign(objects, [rounded_box_centers(one) for one in objects], PADDED)
    claims = claims_by_definition(kind, objects)
    if kind is LastObjectsCells:
        areas = torch.cat([rounded_box_areas(one) for one in objects])
        claims = [claim for claim in claims if areas[claim[0]] >= 10]
    last = {claim[1:]: claim[0] for claim in claims}
    if kind is LastObjectsCells:
        claims = [claim for claim in claims if last[claim[1:]] == claim[0]]
    first = [0, 49, 74]
    found = zip(
        targets.object_index.tolist(),
        targets.image_index.tolist(),
        targets.level.tolist(),
        (targets.cells - torch.tensor(first)[targets.level]).tolist(),
        strict=True,
    )
    assert list(found) == claims
    classes = torch.cat([one.gt_classes for one in objects])
    labels = torch.full((len(objects), 83), CLASSES)
    for (image, level, cell), number in last.items():
        labels[image, first[level] + cell] = classes[number]
    assert torch.equal(targets.labels, labels)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_objects_is_all_background(kind: type[CentralCells]) -> None:
    objects = objects_of(0, (0, 0))
    centers = [rounded_box_centers(one) for one in objects]
    targets = kind(GRIDS, RANGES, CLASSES)(objects, centers, PADDED)
    assert len(targets) == 0
    assert (targets.labels == CLASSES).all()


def test_later_objects_take_cells_and_tiny_ones_have_none() -> None:
    one = Instances(PADDED)
    one.gt_boxes = Boxes(torch.tensor([[20.0, 20, 50, 50], [21, 21, 51, 51], [70, 70, 72, 71.4]]))
    one.gt_classes = torch.tensor([1, 2, 3])
    centers = [rounded_box_centers(one)]
    shared = CentralCells(GRIDS, RANGES, CLASSES)([one], centers, PADDED)
    alone = LastObjectsCells(GRIDS, RANGES, CLASSES)([one], centers, PADDED)
    assert set(shared.object_index.tolist()) == {0, 1, 2}
    assert set(alone.object_index.tolist()) == {1}
    assert set(alone.labels[alone.labels < CLASSES].tolist()) == {2}


def test_grids_and_ranges_go_together() -> None:
    with pytest.raises(ValueError, match="3 grids need as many ranges, not 2"):
        CentralCells(GRIDS, RANGES[:2], CLASSES)
