"""FCOS targets: which object, if any, each feature-map cell has to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

import torch
from detectron2.structures import Instances
from torch import Tensor


@dataclass(frozen=True)
class DetectionTargets:
    """Targets of every cell; level slowest, then image, then row, then column.

    Attributes:
        labels: int64 (A,), the class, or `num_classes` for background.
        box_distances: float32 (A, 4), distances to the box's left, top, right and bottom side in
            units of the level's stride; meaningful where positive.
        object_index: int64 (A,), index into the objects of all images one after the other;
            -1 for background.
        image_index: int64 (A,).
        level: int64 (A,), 0 for the finest.
        locations: float32 (A, 2), x, y in pixels.
    """

    labels: Tensor
    box_distances: Tensor
    object_index: Tensor
    image_index: Tensor
    level: Tensor
    locations: Tensor

    @cached_property
    def positive_cells(self) -> Tensor:
        """The cells that belong to an object, in order: int64 (P,)."""
        return (self.object_index >= 0).nonzero().squeeze(1)


class TargetAssigner:
    """Assigns cells to objects by centre sampling and sizes of interest (FCOS).

    A cell belongs to an object when it lies strictly inside the square of half-side
    `radius * stride` around the object's centre, cut to the object's box, and when the largest of
    its four distances lies within the level's size range (both ends included). Of several objects
    the smallest wins.

    Args:
        strides: of the levels, finest first.
        sizes_of_interest: upper ends of the size ranges of all levels but the last, in pixels.
        radius: of centre sampling, in strides.
        num_classes: the background label.
    """

    def __init__(
        self,
        strides: Sequence[int],
        sizes_of_interest: Sequence[float],
        radius: float,
        num_classes: int,
    ) -> None:
        if len(sizes_of_interest) != len(strides) - 1:
            raise ValueError(
                f"{len(strides)} levels need {len(strides) - 1} sizes of interest, "
                f"not {len(sizes_of_interest)}"
            )
        self.strides = tuple(strides)
        self.ranges = tuple(zip((-1.0, *sizes_of_interest), (*sizes_of_interest, 1e8), strict=True))
        self.radius = radius
        self.num_classes = num_classes

    def __call__(
        self,
        locations: Sequence[Tensor],
        objects: Sequence[Instances],
        centers: Sequence[Tensor],
    ) -> DetectionTargets:
        """Assign the cells of a batch.

        Args:
            locations: per level, (cells, 2) in pixels.
            objects: per image, with `gt_boxes` (XYXY pixels) and `gt_classes`.
            centers: per image, (N, 2): the points that cells are sampled around.
        """
        device = locations[0].device
        counts = tuple(len(image_objects) for image_objects in objects)
        grid = _grid(
            tuple(len(level) for level in locations), self.strides, self.ranges, len(counts), device
        )
        everywhere = torch.cat(list(locations))
        # Objects of every image, padded to the same number with objects that hold no cell.
        most = max(counts) + 1
        places = [image * most + n for image, count in enumerate(counts) for n in range(count)]
        place = torch.tensor(places, dtype=torch.int64).to(device, non_blocking=True)

        def padded(parts: Sequence[Tensor]) -> Tensor:
            values = torch.cat(list(parts)).to(device)
            whole = values.new_zeros((len(counts) * most, *values.shape[1:]))
            return whole.index_copy(0, place, values).unflatten(0, (len(counts), most))

        boxes = padded([o.gt_boxes.tensor for o in objects])
        middles = padded(centers)
        classes = padded([o.gt_classes for o in objects])
        corner0, corner1 = boxes[:, None, :, :2], boxes[:, None, :, 2:]
        points = everywhere[None, :, None]
        distances = torch.cat((points - corner0, corner1 - points), dim=-1)  # (B, cells, N, 4)
        reach = (self.radius * grid.strides)[None, :, None, None]
        sampled0 = torch.maximum(middles[:, None] - reach, corner0)
        sampled1 = torch.minimum(middles[:, None] + reach, corner1)
        inside = ((points > sampled0) & (points < sampled1)).all(dim=-1)
        farthest = distances.amax(dim=-1)
        right_size = (farthest >= grid.low[:, None]) & (farthest <= grid.high[:, None])
        area = (corner1 - corner0).prod(dim=-1).expand_as(farthest)
        area = area.masked_fill(~(inside & right_size), float("inf"))
        smallest, choice = area.min(dim=-1)  # (B, cells)
        positive = smallest.isfinite()
        labels = classes.gather(1, choice).masked_fill(~positive, self.num_classes)
        first_object = torch.tensor([0, *accumulate(counts[:-1])])[:, None]
        object_index = choice + first_object.to(device, non_blocking=True)
        chosen = choice[..., None, None].expand(-1, -1, 1, 4)
        box_distances = distances.gather(2, chosen).squeeze(2) / grid.strides[None, :, None]

        def by_level(values: Tensor) -> Tensor:
            return values.flatten(0, 1)[grid.by_level]

        return DetectionTargets(
            labels=by_level(labels),
            box_distances=by_level(box_distances),
            object_index=by_level(object_index.masked_fill(~positive, -1)),
            image_index=grid.image,
            level=grid.level,
            locations=everywhere[grid.cell],
        )


@dataclass(frozen=True)
class _Grid:
    """What depends on the feature maps' shapes alone.

    Attributes:
        strides, low, high: float32 (cells,), of each cell's level: stride and size range.
        by_level: int64 (A,), where each cell of `DetectionTargets` stands in (B, cells), flattened.
        image, level, cell: int64 (A,), image and level of each, and its place among one image's.
    """

    strides: Tensor
    low: Tensor
    high: Tensor
    by_level: Tensor
    image: Tensor
    level: Tensor
    cell: Tensor


@lru_cache(maxsize=64)
def _grid(
    cells: tuple[int, ...],
    strides: tuple[int, ...],
    ranges: tuple[tuple[float, float], ...],
    images: int,
    device: torch.device,
) -> _Grid:
    """The grid of a batch whose levels have so many cells an image; kept for the next batch."""
    counts = torch.tensor(cells)
    level = torch.arange(len(cells)).repeat_interleave(counts, output_size=sum(cells))
    all_cells = torch.arange(images)[:, None] * len(level) + torch.arange(len(level))
    by_level = torch.cat([part.flatten() for part in all_cells.split(list(cells), dim=1)])
    low, high = torch.tensor(ranges)[level].unbind(dim=1)
    cell = by_level % len(level)
    parts = (
        torch.tensor([float(stride) for stride in strides])[level],
        low,
        high,
        by_level,
        by_level // len(level),
        level[cell],
        cell,
    )
    return _Grid(*(part.contiguous().to(device) for part in parts))
