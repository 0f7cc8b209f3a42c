"""Where a tutor is pasted, and how it comes into the frame of the image.

An offset is the (x, y) of the image's pixel that the tutor's first pixel falls on. Every offset
that is drawn here keeps the tutor wholly inside the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from boxseg.box_masks import tight_boxes
from boxseg.copy_paste import TrainingSample
from boxseg.peer_copy_paste.bank import Tutor, draw_index

LearnerChoice = Literal["any", "lowest-quality"]


class Placement(Protocol):
    """Draws where a tutor is pasted into an image."""

    def __call__(
        self,
        sample: TrainingSample,
        candidates: Tensor,
        size: tuple[int, int],
        generator: torch.Generator,
    ) -> tuple[int, int] | None:
        """An offset (x, y) in pixels, or None if there is no fit place.

        Args:
            sample: N objects.
            candidates: bool (N,), the objects that may be learners.
            size: height and width of the tutor, at most the image's.
            generator: on the CPU.
        """
        ...


class RandomPlace:
    """Anywhere in the image, uniformly; no object need be near."""

    def __call__(
        self,
        sample: TrainingSample,
        candidates: Tensor,
        size: tuple[int, int],
        generator: torch.Generator,
    ) -> tuple[int, int]:
        height, width = sample.size
        y = draw_index(height - size[0] + 1, generator)
        x = draw_index(width - size[1] + 1, generator)
        return x, y


@dataclass(frozen=True)
class OverlappingPlace:
    """Over a learner: both extents overlap its box by a share of the tutor's own.

    The learner is drawn uniformly among the objects that the tutor can overlap so, then the offset
    uniformly among those that do. An object narrower than the share of the tutor's width (or lower
    than that of its height) cannot be overlapped enough and is no learner.

    Attributes:
        min_overlap: share in [0, 1] of the tutor's width and of its height (released code: 0.1).
        learner: "any" draws among all objects, "lowest-quality" among those of the least pseudo
            mask quality, 0 if there is no mask. Any is the default. The quality is the teacher's
            own estimate and lowest for what is small or has no pseudo mask, so the same hard
            objects would be hidden again and again; and a tutor's exact edge also helps to separate
            a learner whose mask is good already.
    """

    min_overlap: float = 0.1
    learner: LearnerChoice = "any"

    def __call__(
        self,
        sample: TrainingSample,
        candidates: Tensor,
        size: tuple[int, int],
        generator: torch.Generator,
    ) -> tuple[int, int] | None:
        lowest, highest = self.offsets(sample.boxes, size, sample.size)
        fit = candidates.cpu() & (lowest <= highest).all(dim=1)
        if self.learner == "lowest-quality" and fit.any():
            quality = sample.quality.cpu()
            fit &= quality <= quality[fit].min()
        learners = fit.nonzero()[:, 0].tolist()
        if not learners:
            return None
        learner = learners[draw_index(len(learners), generator)]
        x, y = (
            int(low) + draw_index(int(high - low) + 1, generator)
            for low, high in zip(lowest[learner], highest[learner], strict=True)
        )
        return x, y

    def offsets(
        self, boxes: Tensor, size: tuple[int, int], image_size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Range of the offsets that overlap each box enough, inside the image.

        Of a tutor of width w at x, the extent [x, x + w] overlaps [x0, x1] by at least m <= w if
        and only if x + w - x0 >= m, x1 - x >= m and x1 - x0 >= m. Heights likewise.

        Args:
            boxes: (N, 4), XYXY in pixels.
            size: height and width of the tutor.
            image_size: height and width of the image.

        Returns:
            Lowest and highest offset (x, y), both inclusive: int64 (N, 2) each, on the CPU. There
            is none where a lowest exceeds its highest.
        """
        boxes = boxes.detach().cpu().double()
        tutor = torch.tensor([size[1], size[0]], dtype=torch.float64)
        image = torch.tensor([image_size[1], image_size[0]], dtype=torch.float64)
        needed = self.min_overlap * tutor
        starts, ends = boxes[:, :2], boxes[:, 2:]
        lowest = (starts + needed - tutor).clamp(min=0).ceil()
        highest = torch.minimum(image - tutor, ends - needed).floor()
        highest = torch.where(ends - starts >= needed, highest, lowest - 1)
        return lowest.long(), highest.long()


def moved(maps: Tensor, offset: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Maps (..., h, w) in a frame of another size, zero where there is nothing.

    Args:
        maps: of any type.
        offset: (x, y) in the frame of the maps' first pixel; what falls outside is cut off.
        size: height and width of the frame.
    """
    x, y = offset
    height, width = maps.shape[-2:]
    frame = maps.new_zeros((*maps.shape[:-2], *size))
    top, bottom = max(y, 0), min(y + height, size[0])
    left, right = max(x, 0), min(x + width, size[1])
    if top < bottom and left < right:
        frame[..., top:bottom, left:right] = maps[..., top - y : bottom - y, left - x : right - x]
    return frame


@dataclass(frozen=True, eq=False)
class Patch:
    """Pixels to paste: uint8 (3, h, w), and where they are the object's: bool (h, w)."""

    pixels: Tensor
    mask: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.mask.shape[0], self.mask.shape[1]

    def window(self, x0: int, y0: int, x1: int, y1: int) -> Patch:
        """Columns x0 to x1 - 1 of rows y0 to y1 - 1."""
        return Patch(self.pixels[:, y0:y1, x0:x1], self.mask[y0:y1, x0:x1])

    def in_image(
        self, image_size: tuple[int, int], offset: tuple[int, int], tutor: Tutor
    ) -> TrainingSample:
        """The tutor as the one object of an otherwise black image.

        Args:
            image_size: height and width.
            offset: (x, y) such that the patch is inside.
            tutor: whose class, quality and score the object has.
        """
        x, y = offset
        height, width = self.size
        return TrainingSample(
            image=moved(self.pixels, offset, image_size),
            boxes=torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32),
            classes=torch.tensor([tutor.label]),
            masks=moved(self.mask, offset, image_size)[None],
            quality=torch.tensor([tutor.quality]),
            scores=torch.tensor([tutor.score]),
            valid=torch.tensor([True]),
            pasted=torch.tensor([True]),
        )


def fitted_patch(tutor: Tutor, image_size: tuple[int, int], generator: torch.Generator) -> Patch:
    """The tutor, or a random window of it no larger than the image, cropped to what it shows."""
    patch = Patch(tutor.pixels, tutor.mask())
    excess_y, excess_x = (
        max(have - most, 0) for have, most in zip(tutor.size, image_size, strict=True)
    )
    if not excess_y and not excess_x:
        return patch
    y0 = draw_index(excess_y + 1, generator)
    x0 = draw_index(excess_x + 1, generator)
    patch = patch.window(x0, y0, x0 + image_size[1], y0 + image_size[0])
    x0, y0, x1, y1 = tight_boxes(patch.mask[None])[0].long().tolist()
    return patch.window(x0, y0, x1, y1)
