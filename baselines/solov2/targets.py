"""Which cells of the grids have to predict which object (SOLO).

Every level lays a grid of its own over the padded image, whatever the image's shape. An object
belongs to the levels that are for its size, and there to the cells around its centre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from detectron2.structures import Instances
from torch import Tensor

from baselines.rounded_boxes import rounded_box_areas
from boxseg.ragged import image_index


@dataclass(frozen=True)
class CellTargets:
    """What the A cells of each of B images are for: level slowest, then row, then column.

    Attributes:
        labels: int64 (B, A), the class, or the number of classes for background.
        object_index: int64 (P,), of the positives, into the objects of all images one after the
            other: in their order, then by level, row and column.
        image_index, level: int64 (P,).
        cells: int64 (P,), among the A of their image; one may be several objects'.
        scores: float32 (P,), what the network thinks of them; 1 where it was not asked.
    """

    labels: Tensor
    object_index: Tensor
    image_index: Tensor
    level: Tensor
    cells: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, keep: Tensor) -> CellTargets:
        """The same with some of the positives."""
        return CellTargets(
            self.labels,
            self.object_index[keep],
            self.image_index[keep],
            self.level[keep],
            self.cells[keep],
            self.scores[keep],
        )


class CentralCells:
    """All levels whose range holds the object's size, and there up to 3 x 3 cells (SOLOv2).

    The size is the root of the box's area, and a range holds both of its ends; ranges overlap. The
    cells are that of the object's centre and those of its 8 neighbours that reach into the central
    part of the box. Of several objects a cell is labelled with the class of the last, and is a
    positive of each, as DiscoBox has it.

    Args:
        num_grids: per level, cells along each side.
        scale_ranges: per level, least and greatest size in pixels.
        num_classes: the background label.
        central: side of the central part, of the box's.
    """

    reach = 1

    def __init__(
        self,
        num_grids: Sequence[int],
        scale_ranges: Sequence[Sequence[float]],
        num_classes: int,
        central: float = 0.2,
    ) -> None:
        if len(num_grids) != len(scale_ranges):
            raise ValueError(f"{len(num_grids)} grids need as many ranges, not {len(scale_ranges)}")
        self.num_grids = tuple(num_grids)
        self.scale_ranges = tuple((float(low), float(high)) for low, high in scale_ranges)
        self.num_classes = num_classes
        self.central = central

    def __call__(
        self, objects: Sequence[Instances], centers: Sequence[Tensor], size: tuple[int, int]
    ) -> CellTargets:
        """Assign the cells of a batch.

        Args:
            objects: per image, with `gt_boxes` (XYXY pixels) and `gt_classes`; at least one image.
            centers: per image, (N, 2): the objects' centres, x, y in pixels.
            size: height and width of the padded images.
        """
        boxes = torch.cat([o.gt_boxes.tensor for o in objects])
        classes = torch.cat([o.gt_classes for o in objects])
        images = image_index([len(of_image) for of_image in objects], boxes.device)
        grids = torch.tensor(self.num_grids).to(boxes.device, non_blocking=True)
        rows, columns, inside = self._cells(boxes, torch.cat(list(centers)), grids, size)
        claims = inside & self.levels(boxes)[:, :, None, None]
        claims = claims & self.trained(objects)[:, None, None, None]
        owner, level, down, right = claims.nonzero().unbind(dim=1)
        first = torch.tensor([0, *accumulate(n * n for n in self.num_grids)])
        total = int(first[-1])
        first = first.to(boxes.device, non_blocking=True)
        row, column = rows[owner, level, down], columns[owner, level, right]
        cells = first[level] + row * grids[level] + column
        places = images[owner] * total + cells
        last = torch.full((len(objects) * total,), -1, device=boxes.device)
        last = last.scatter_reduce(0, places, owner, "amax")
        padded = torch.cat((classes, classes.new_tensor([self.num_classes])))
        keep = self.kept(owner, last[places])
        return CellTargets(
            labels=padded[last].reshape(len(objects), total),
            object_index=owner[keep],
            image_index=images[owner][keep],
            level=level[keep],
            cells=cells[keep],
            scores=torch.ones(len(owner), device=boxes.device)[keep],
        )

    def _cells(
        self, boxes: Tensor, centers: Tensor, grids: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and columns around the centres, int64 (N, L, n), and which are taken, (N, L, n, n).

        A place is in the cell that as many whole cells come before, as division of floating-point
        numbers counts them: where a place is a cell's border it may be the cell before.
        """
        extent = torch.tensor([size[1], size[0]], dtype=torch.float64).to(boxes.device)
        steps = (1 / grids.double())[:, None]  # (L, 1)
        half = self.central / 2 * (boxes[:, 2:] - boxes[:, :2]).double()

        def cell(places: Tensor) -> Tensor:
            relative = (places / extent)[:, None]  # (N, 1, 2)
            found = torch.div(relative, steps, rounding_mode="floor").long()
            return found.clamp(min=0).minimum(grids[:, None] - 1)  # (N, L, 2)

        centers = centers.double()
        around = torch.arange(-self.reach, self.reach + 1, device=boxes.device)
        candidates = cell(centers)[..., None] + around  # (N, L, 2, n)
        low, high = cell(centers - half)[..., None], cell(centers + half)[..., None]
        taken = (candidates >= low) & (candidates <= high)
        columns, rows = candidates.unbind(dim=2)
        return rows, columns, taken[:, :, 1, :, None] & taken[:, :, 0, None]

    def levels(self, boxes: Tensor) -> Tensor:
        """Which levels are for the boxes (N, 4): bool (N, L)."""
        sizes = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt()[:, None]
        low, high = torch.tensor(self.scale_ranges).to(boxes).unbind(dim=1)
        return (sizes >= low) & (sizes <= high)

    def trained(self, objects: Sequence[Instances]) -> Tensor:
        """Which of all images' objects are assigned at all: bool (N,)."""
        boxes = torch.cat([o.gt_boxes.tensor for o in objects])
        return torch.ones_like(boxes[:, 0], dtype=torch.bool)

    def kept(self, owner: Tensor, last: Tensor) -> Tensor:
        """Which claims are positives, or how they are indexed.

        Args:
            owner: int64 (P,), the object of each claim.
            last: int64 (P,), the last object that claims the same cell.
        """
        return torch.ones_like(owner, dtype=torch.bool)


class LastObjectsCells(CentralCells):
    """As `CentralCells`, but a cell is the last object's alone, and tiny ones have none (Box2Mask).

    Attributes:
        least_pixels: of a box, rounded to whole pixels, for its object to be assigned.
    """

    least_pixels = 10

    def trained(self, objects: Sequence[Instances]) -> Tensor:
        areas = torch.cat([rounded_box_areas(of_image) for of_image in objects])
        return areas >= self.least_pixels

    def kept(self, owner: Tensor, last: Tensor) -> Tensor:
        return owner == last


class BestCells(CentralCells):
    """One cell an object: its centre's, at the level that is most for its size.

    That is the level the mean of whose range, a geometric one, is nearest by ratio. DiscoBox finds
    objects by this rule that are to be compared with others'.
    """

    reach = 0

    def levels(self, boxes: Tensor) -> Tensor:
        sizes = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt()[:, None]
        means = torch.tensor([math.sqrt(low * high) for low, high in self.scale_ranges]).to(boxes)
        best = (sizes / means).log().abs().argmin(dim=1)
        return best[:, None] == torch.arange(len(means), device=boxes.device)
