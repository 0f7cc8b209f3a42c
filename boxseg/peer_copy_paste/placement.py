"""Where a tutor is pasted, and how it comes into the frame of the image.

An offset is the (x, y) of the image's pixel that the tutor's first pixel falls on. Every offset
that is drawn here keeps the tutor wholly inside the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from boxseg.host_copies import to_host
from boxseg.host_draws import draw_index
from boxseg.peer_copy_paste.tutors import ObjectFacts, Tutor

LearnerChoice = Literal["any", "lowest-quality"]


class Placement(Protocol):
    """Draws where a tutor is pasted into an image."""

    def among(
        self,
        objects: ObjectFacts,
        candidates: np.ndarray,
        size: tuple[int, int],
        image_size: tuple[int, int],
        generator: torch.Generator,
    ) -> tuple[int, int] | None:
        """An offset (x, y) in pixels, or None if there is no fit place.

        Args:
            objects: N, of the image.
            candidates: bool (N,), the objects that may be learners.
            size: height and width of the tutor, at most the image's.
            image_size: height and width of the image.
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
        """An offset (x, y) in pixels of one image; see `Placement`."""
        return self.within(size, sample.size, generator)

    def among(
        self,
        objects: ObjectFacts,
        candidates: np.ndarray,
        size: tuple[int, int],
        image_size: tuple[int, int],
        generator: torch.Generator,
    ) -> tuple[int, int]:
        return self.within(size, image_size, generator)

    def within(
        self, size: tuple[int, int], image_size: tuple[int, int], generator: torch.Generator
    ) -> tuple[int, int]:
        """An offset (x, y) in pixels that keeps this height and width inside the image."""
        y = draw_index(image_size[0] - size[0] + 1, generator)
        x = draw_index(image_size[1] - size[1] + 1, generator)
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
        """An offset (x, y) in pixels of one image, whose objects are read; see `Placement`."""
        boxes, quality, fit = to_host([sample.boxes, sample.quality, candidates])
        return self.drawn(boxes, quality, fit, size, sample.size, generator)

    def among(
        self,
        objects: ObjectFacts,
        candidates: np.ndarray,
        size: tuple[int, int],
        image_size: tuple[int, int],
        generator: torch.Generator,
    ) -> tuple[int, int] | None:
        return self.drawn(objects.boxes, objects.quality, candidates, size, image_size, generator)

    def drawn(
        self,
        boxes: np.ndarray,
        quality: np.ndarray,
        candidates: np.ndarray,
        size: tuple[int, int],
        image_size: tuple[int, int],
        generator: torch.Generator,
    ) -> tuple[int, int] | None:
        """An offset (x, y) over one of the candidates, bool (N,), or None."""
        lowest, highest = self.ranges(boxes, size, image_size)
        fit = candidates & (lowest <= highest).all(axis=1)
        if self.learner == "lowest-quality" and fit.any():
            fit &= quality <= quality[fit].min()
        learners = np.flatnonzero(fit)
        if not len(learners):
            return None
        learner = learners[draw_index(len(learners), generator)]
        x, y = (
            low + draw_index(high - low + 1, generator)
            for low, high in zip(lowest[learner].tolist(), highest[learner].tolist(), strict=True)
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
        lowest, highest = self.ranges(to_host([boxes])[0], size, image_size)
        return torch.from_numpy(lowest), torch.from_numpy(highest)

    def ranges(
        self, boxes: np.ndarray, size: tuple[int, int], image_size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What `offsets` gives, of boxes of the host: int64 (N, 2) each."""
        boxes = boxes.astype(np.float64)
        tutor = np.array([size[1], size[0]], dtype=np.float64)
        image = np.array([image_size[1], image_size[0]], dtype=np.float64)
        needed = self.min_overlap * tutor
        starts, ends = boxes[:, :2], boxes[:, 2:]
        lowest = np.ceil(np.maximum(starts + needed - tutor, 0))
        highest = np.floor(np.minimum(image - tutor, ends - needed))
        highest = np.where(ends - starts >= needed, highest, lowest - 1)
        return lowest.astype(np.int64), highest.astype(np.int64)


def shown_part(
    maps_size: tuple[int, int], offset: tuple[int, int], size: tuple[int, int]
) -> tuple[slice, slice]:
    """Rows and columns of maps that are inside a frame.

    Args:
        maps_size: height and width of the maps.
        offset: (x, y) in the frame of the maps' first pixel.
        size: height and width of the frame.
    """
    ends = zip(maps_size, reversed(offset), size, strict=True)
    rows, columns = (slice(max(-at, 0), max(min(have, most - at), 0)) for have, at, most in ends)
    return rows, columns


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
    rows, columns = shown_part((height, width), offset, size)
    shown = maps[..., rows, columns]
    if shown.numel():
        top, left = rows.start + y, columns.start + x
        frame[..., top : top + shown.shape[-2], left : left + shown.shape[-1]] = shown
    return frame


@dataclass(frozen=True, eq=False)
class Patch:
    """Pixels to paste: uint8 (3, h, w), and where they are the object's: bool (h, w).

    Both are on the host, the mask as an array.
    """

    pixels: Tensor
    mask: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.mask.shape[0], self.mask.shape[1]

    def window(self, x0: int, y0: int, x1: int, y1: int) -> Patch:
        """Columns x0 to x1 - 1 of rows y0 to y1 - 1."""
        return Patch(self.pixels[:, y0:y1, x0:x1], self.mask[y0:y1, x0:x1])

    def in_image(
        self,
        image_size: tuple[int, int],
        offset: tuple[int, int],
        tutor: Tutor,
        device: torch.device,
    ) -> TrainingSample:
        """The tutor as the one object of an otherwise black image.

        Its box is the patch's, wherever in it the mask ends.

        Args:
            image_size: height and width.
            offset: (x, y); what falls outside is cut off.
            tutor: whose class, quality and score the object has.
            device: of the image; only the patch is copied there.
        """
        x, y = offset
        height, width = self.size
        pixels = self.pixels.to(device, non_blocking=True)
        mask = torch.from_numpy(self.mask).to(device, non_blocking=True)
        known = torch.ones(1, dtype=torch.bool, device=device)
        box = torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32)
        return TrainingSample(
            image=moved(pixels, offset, image_size),
            boxes=box.to(device, non_blocking=True),
            classes=torch.full((1,), tutor.label, device=device),
            masks=moved(mask, offset, image_size)[None],
            quality=torch.full((1,), tutor.quality, dtype=torch.float32, device=device),
            scores=torch.full((1,), tutor.score, dtype=torch.float32, device=device),
            valid=known,
            pasted=known,
        )


def fitted_patch(tutor: Tutor, image_size: tuple[int, int], generator: torch.Generator) -> Patch:
    """The tutor, or a random window of it no larger than the image, cropped to what it shows."""
    patch = Patch(tutor.pixels, tutor.bits())
    excess_y, excess_x = (
        max(have - most, 0) for have, most in zip(tutor.size, image_size, strict=True)
    )
    if not excess_y and not excess_x:
        return patch
    y0 = draw_index(excess_y + 1, generator)
    x0 = draw_index(excess_x + 1, generator)
    patch = patch.window(x0, y0, x0 + image_size[1], y0 + image_size[0])
    rows, columns = (np.flatnonzero(patch.mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return patch.window(0, 0, 0, 0)
    return patch.window(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
