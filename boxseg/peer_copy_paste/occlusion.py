"""What remains visible of an image's objects behind something pasted in front of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.copy_paste import TrainingSample


class VisibilityRule(Protocol):
    """Decides about the objects that something hides in part."""

    def __call__(self, sample: TrainingSample, front: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes of the visible parts, and which objects stay.

        Args:
            sample: N objects; not modified.
            front: bool (H, W), the pixels that are hidden.

        Returns:
            float32 (N, 4), XYXY in pixels, and bool (N,). Boxes of objects that do not stay are
            arbitrary.
        """
        ...


@dataclass(frozen=True)
class UncoveredBoxes:
    """Boxes shrink to the tight box of their uncovered part; what nearly vanishes is dropped.

    A side moves only where it is wholly hidden, and then to the first pixel row or column of the
    box that is not. The rule is the same with and without a pseudo mask: the box is an annotation,
    the pseudo mask an estimate. An object is dropped if less than `min_visible` of the area of its
    box is uncovered, or less than `min_visible` of its pseudo mask. What nothing covers stays as
    it is.

    Attributes:
        min_visible: share in [0, 1]; an object wholly hidden is dropped also at 0.
    """

    min_visible: float = 0.1

    def __call__(self, sample: TrainingSample, front: Tensor) -> tuple[Tensor, Tensor]:
        boxes = sample.boxes
        height, width = front.shape
        first = boxes[:, :2].floor().long().clamp(min=0)
        after = boxes[:, 2:].ceil().long()
        left, top = first[:, 0], first[:, 1]
        right, bottom = after[:, 0].clamp(max=width), after[:, 1].clamp(max=height)

        # Hidden pixels of every column within the box's rows, and of every row within its columns.
        above = F.pad(front.int().cumsum(0, dtype=torch.int32), (0, 0, 1, 0))
        before = F.pad(front.int().cumsum(1, dtype=torch.int32), (1, 0))
        hidden_of_columns = above[bottom] - above[top]
        hidden_of_rows = (before[:, right] - before[:, left]).T

        columns = torch.arange(width, device=front.device)
        rows = torch.arange(height, device=front.device)
        in_columns = (columns >= left[:, None]) & (columns < right[:, None])
        in_rows = (rows >= top[:, None]) & (rows < bottom[:, None])
        x0, x1 = extent(in_columns & (hidden_of_columns < (bottom - top)[:, None]))
        y0, y1 = extent(in_rows & (hidden_of_rows < (right - left)[:, None]))
        uncovered = torch.stack([x0, y0, x1, y1], dim=1).to(boxes.dtype)

        hidden = (hidden_of_columns * in_columns).sum(dim=1)
        area = (bottom - top) * (right - left)
        visible_box = (area - hidden) / area.clamp(min=1)
        mask_area = sample.masks.flatten(1).sum(dim=1)
        visible_area = (sample.masks & ~front).flatten(1).sum(dim=1)
        visible_mask = torch.where(
            mask_area > 0, visible_area / mask_area.clamp(min=1), torch.ones_like(visible_box)
        )
        visible = torch.minimum(visible_box, visible_mask)
        touched = (hidden > 0) | (visible_area < mask_area)
        kept = ~touched | ((visible > 0) & (visible >= self.min_visible))
        starts = torch.maximum(boxes[:, :2], uncovered[:, :2])
        ends = torch.minimum(boxes[:, 2:], uncovered[:, 2:])
        inner = torch.cat([starts, ends], dim=1)
        return torch.where(touched[:, None], inner, boxes), kept


def extent(present: Tensor) -> tuple[Tensor, Tensor]:
    """First index that is present and one past the last, of each row of bool (N, L).

    0 and 0 where nothing is present.
    """
    length = present.shape[1]
    some = present.any(dim=1)
    first = present.int().argmax(dim=1)
    last = length - present.flip(1).int().argmax(dim=1)
    return first * some, last * some


def tight_boxes(masks: Tensor) -> Tensor:
    """Tight boxes of masks, bool (N, H, W): float32 (N, 4), XYXY in pixels; 0 if a mask is empty."""
    x0, x1 = extent(masks.any(dim=1))
    y0, y1 = extent(masks.any(dim=2))
    return torch.stack([x0, y0, x1, y1], dim=1).float()


def put_in_front(
    sample: TrainingSample, pasted: TrainingSample, visibility: VisibilityRule
) -> TrainingSample:
    """Paste objects in front of those of a sample.

    Their pixels replace the image's, their masks are cut out of the masks below. They come last,
    marked as pasted, each with the tight box of its mask.

    Args:
        sample: not modified.
        pasted: objects with non-empty masks, in an image of the same size.
        visibility: decides which objects below stay, and their boxes.
    """
    device = sample.image.device
    masks = pasted.masks.to(device)
    front = masks.any(dim=0)
    boxes, kept = visibility(sample, front)
    below = TrainingSample(
        image=torch.where(front, pasted.image.to(device), sample.image),
        boxes=boxes,
        classes=sample.classes,
        masks=sample.masks & ~front,
        quality=sample.quality,
        scores=sample.scores,
        valid=sample.valid,
        pasted=sample.pasted,
    ).objects(kept)
    above = TrainingSample(
        image=pasted.image,
        boxes=tight_boxes(pasted.masks),
        classes=pasted.classes,
        masks=pasted.masks,
        quality=pasted.quality,
        scores=pasted.scores,
        valid=torch.ones_like(pasted.valid),
        pasted=torch.ones_like(pasted.pasted),
    )
    return below.with_objects_of(above)
