"""What remains visible of an image's objects behind something pasted in front of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.box_masks import extent, mask_areas, tight_boxes
from boxseg.copy_paste import TrainingSample
from boxseg.host_copies import index_on, to_host


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
class VisibleBoxes:
    """Boxes shrink to what remains visible of their objects; what nearly vanishes is dropped.

    A side moves where it is wholly hidden, to the first pixel row or column of the box that is not;
    and where the extent of a pseudo mask ends earlier than it did, by as much as it does. Of an
    object whose mask reaches its box on all sides that is the tight box of the visible mask; where
    the mask, an estimate, ends within its box, which is an annotation, the distance is kept.

    An object is dropped if less than `min_visible` of the area of its box is uncovered, or less
    than `min_visible` of its pseudo mask. What nothing covers stays as it is.

    Attributes:
        min_visible: share in [0, 1]; an object wholly hidden is dropped also at 0.
    """

    min_visible: float = 0.1

    def __call__(self, sample: TrainingSample, front: Tensor) -> tuple[Tensor, Tensor]:
        boxes, hidden_of_boxes = uncovered_boxes(sample.boxes, front)
        visible = sample.masks & ~front
        hidden_of_masks = hidden_shares(sample.masks, visible)
        hidden = torch.maximum(hidden_of_boxes, hidden_of_masks)
        kept = (hidden == 0) | ((hidden < 1) & (1 - hidden >= self.min_visible))
        cut = kept & (hidden_of_masks > 0)
        # Of all objects, since to choose those that are cut would ask the device for their number.
        followed = following_masks(boxes, sample.boxes, sample.masks, visible)
        return torch.where(cut[:, None], followed, boxes), kept


def following_masks(shrunk: Tensor, boxes: Tensor, masks: Tensor, visible: Tensor) -> Tensor:
    """Boxes (N, 4) of objects of which something is hidden, shrunk as the extents of masks are.

    Args:
        shrunk: (N, 4), what is left of the boxes' own area.
        boxes: (N, 4), as they were, XYXY in pixels.
        masks: bool (N, H, W).
        visible: bool (N, H, W), what is left of the masks, some pixel of each.
    """
    before, after = tight_boxes(masks), tight_boxes(visible)
    starts = after[:, :2] - (before[:, :2] - boxes[:, :2]).clamp(min=0)
    ends = after[:, 2:] + (boxes[:, 2:] - before[:, 2:]).clamp(min=0)
    inner = torch.cat(
        [torch.maximum(shrunk[:, :2], starts), torch.minimum(shrunk[:, 2:], ends)], dim=1
    )
    return torch.where(after == before, shrunk, inner)


def uncovered_boxes(boxes: Tensor, front: Tensor) -> tuple[Tensor, Tensor]:
    """Tight boxes of the boxes' area that is not hidden, and the share of it that is.

    A box's area is that of the pixels it meets, so the share counts pixels.

    Args:
        boxes: (N, 4), XYXY in pixels.
        front: bool (H, W), the hidden pixels.

    Returns:
        (N, 4), the boxes themselves where nothing is hidden and arbitrary where all is, and
        float32 (N,).
    """
    height, width = front.shape
    starts, ends = boxes[:, :2].floor().long(), boxes[:, 2:].ceil().long()
    left, top = starts[:, 0].clamp(0, width), starts[:, 1].clamp(0, height)
    right, bottom = ends[:, 0].clamp(0, width), ends[:, 1].clamp(0, height)

    # Hidden pixels of every column within the box's rows, and of every row within its columns.
    above = F.pad(front.cumsum(0, dtype=torch.int32), (0, 0, 1, 0))
    before = F.pad(front.cumsum(1, dtype=torch.int32), (1, 0))
    hidden_of_columns = above[bottom] - above[top]
    hidden_of_rows = (before[:, right] - before[:, left]).T

    columns = torch.arange(width, device=front.device)
    rows = torch.arange(height, device=front.device)
    in_columns = (columns >= left[:, None]) & (columns < right[:, None])
    in_rows = (rows >= top[:, None]) & (rows < bottom[:, None])
    x0, x1 = extent(in_columns & (hidden_of_columns < (bottom - top)[:, None]))
    y0, y1 = extent(in_rows & (hidden_of_rows < (right - left)[:, None]))
    starts = torch.maximum(boxes[:, :2], torch.stack([x0, y0], dim=1).to(boxes.dtype))
    ends = torch.minimum(boxes[:, 2:], torch.stack([x1, y1], dim=1).to(boxes.dtype))

    hidden = (hidden_of_columns * in_columns).sum(dim=1)
    area = (bottom - top) * (right - left)
    uncovered = torch.where(hidden[:, None] > 0, torch.cat([starts, ends], dim=1), boxes)
    return uncovered, hidden / area.clamp(min=1)


def hidden_shares(masks: Tensor, visible: Tensor) -> Tensor:
    """Share of each mask that is hidden: float32 (N,); 0 of an empty mask.

    Args:
        masks: bool (N, H, W).
        visible: bool (N, H, W), what is left of them.
    """
    areas = mask_areas(masks)
    return (areas - mask_areas(visible)) / areas.clamp(min=1)


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
    return put_all_in_front([sample], [pasted], visibility)[0]


def put_all_in_front(
    samples: Sequence[TrainingSample],
    pasted: Sequence[TrainingSample | None],
    visibility: VisibilityRule,
) -> list[TrainingSample]:
    """Paste into the images of a batch; see `put_in_front`.

    What stays is asked of the device once for all images.

    Args:
        samples: of one device; not modified.
        pasted: what comes in front, or None for an image that is returned as it is.
        visibility: decides which objects below stay, and their boxes.
    """
    halves = {
        index: behind_and_in_front(sample, source, visibility)
        for index, (sample, source) in enumerate(zip(samples, pasted, strict=True))
        if source is not None
    }
    outcomes = list(samples)
    decided = to_host([kept for _, kept, _ in halves.values()])
    for (index, (below, _, above)), kept in zip(halves.items(), decided, strict=True):
        if not kept.all():
            below = below.objects(index_on(below.boxes.device, np.flatnonzero(kept)))
        outcomes[index] = below.with_objects_of(above)
    return outcomes


def behind_and_in_front(
    sample: TrainingSample, pasted: TrainingSample, visibility: VisibilityRule
) -> tuple[TrainingSample, Tensor, TrainingSample]:
    """The objects below in the image as it is pasted, which of them stay, and those above."""
    device = sample.image.device
    masks = pasted.masks.to(device, non_blocking=True)
    front = masks.any(dim=0)
    boxes, kept = visibility(sample, front)
    below = TrainingSample(
        image=torch.where(front, pasted.image.to(device, non_blocking=True), sample.image),
        boxes=boxes,
        classes=sample.classes,
        masks=sample.masks & ~front,
        quality=sample.quality,
        scores=sample.scores,
        valid=sample.valid,
        pasted=sample.pasted,
        unsure=None if sample.unsure is None else sample.unsure & ~front,
    )
    above = TrainingSample(
        image=pasted.image,
        boxes=tight_boxes(masks),
        classes=pasted.classes,
        masks=masks,
        quality=pasted.quality,
        scores=pasted.scores,
        valid=torch.ones_like(pasted.valid),
        pasted=torch.ones_like(pasted.pasted),
    )
    return below, kept, above


def count_objects(sources: Sequence[TrainingSample | None]) -> float:
    """Number of objects pasted into a batch."""
    return float(sum(len(source) for source in sources if source is not None))
