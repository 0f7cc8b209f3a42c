"""FCOS targets: which object, if any, each feature-map cell has to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.structures import Instances
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


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
        counts = [len(image_objects) for image_objects in objects]
        cells = [len(level) for level in locations]
        everywhere = torch.cat(list(locations))
        strides = torch.cat(
            [
                torch.full((n,), float(s), device=device)
                for n, s in zip(cells, self.strides, strict=True)
            ]
        )
        low = torch.cat(
            [torch.full((n,), r[0], device=device) for n, r in zip(cells, self.ranges, strict=True)]
        )
        high = torch.cat(
            [torch.full((n,), r[1], device=device) for n, r in zip(cells, self.ranges, strict=True)]
        )
        # Objects of every image, padded to the same number with objects that hold no cell.
        empty = torch.zeros((1, 4), device=device)
        boxes = pad_sequence(
            [torch.cat((o.gt_boxes.tensor.to(device), empty)) for o in objects], batch_first=True
        )
        middles = pad_sequence(
            [torch.cat((c.to(device), empty[:, :2])) for c in centers], batch_first=True
        )
        classes = pad_sequence(
            [torch.cat((o.gt_classes.to(device), empty[:, 0].long())) for o in objects],
            batch_first=True,
        )
        corner0, corner1 = boxes[:, None, :, :2], boxes[:, None, :, 2:]
        points = everywhere[None, :, None]
        distances = torch.cat((points - corner0, corner1 - points), dim=-1)  # (B, cells, N, 4)
        reach = (self.radius * strides)[None, :, None, None]
        sampled0 = torch.maximum(middles[:, None] - reach, corner0)
        sampled1 = torch.minimum(middles[:, None] + reach, corner1)
        inside = ((points > sampled0) & (points < sampled1)).all(dim=-1)
        farthest = distances.amax(dim=-1)
        right_size = (farthest >= low[None, :, None]) & (farthest <= high[None, :, None])
        area = (corner1 - corner0).prod(dim=-1).expand_as(farthest)
        area = area.masked_fill(~(inside & right_size), float("inf"))
        smallest, choice = area.min(dim=-1)  # (B, cells)
        positive = smallest.isfinite()
        labels = classes.gather(1, choice).masked_fill(~positive, self.num_classes)
        first_object = torch.tensor([0, *counts[:-1]], device=device).cumsum(0)
        object_index = (choice + first_object[:, None]).masked_fill(~positive, -1)
        chosen = choice[..., None, None].expand(-1, -1, 1, 4)
        box_distances = distances.gather(2, chosen).squeeze(2) / strides[None, :, None]
        images = torch.arange(len(objects), device=device)[:, None].expand_as(choice)
        level = torch.cat([torch.full((n,), i, device=device) for i, n in enumerate(cells)])

        def by_level(values: Tensor) -> Tensor:
            return torch.cat([part.flatten(0, 1) for part in values.split(cells, dim=1)])

        return DetectionTargets(
            labels=by_level(labels),
            box_distances=by_level(box_distances),
            object_index=by_level(object_index),
            image_index=by_level(images),
            level=by_level(level.expand(len(objects), -1)),
            locations=by_level(everywhere.expand(len(objects), -1, -1)),
        )
