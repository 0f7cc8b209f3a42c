"""Peer tutors: which objects may become one, how one is kept, and the memory of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from boxseg.box_masks import mask_areas, tight_boxes
from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError


@dataclass(frozen=True)
class Admission:
    """Which objects of an image may become tutors.

    Thresholds are the released code's, in pixels of COCO; objects must exceed `min_quality`,
    `min_score` and `min_area` and stay below `max_iou`.

    Attributes:
        min_quality: of the pseudo mask.
        min_score: the detector's, of the pseudo mask.
        max_iou: of the object's box with every other box of its image. Objects that overlap none
            are segmented better (paper, section 3.4).
        min_area: of the pseudo mask, in pixels of the image.
    """

    min_quality: float = 0.5
    min_score: float = 0.5
    max_iou: float = 0.1
    min_area: float = 300.0

    def __call__(self, sample: TrainingSample) -> Tensor:
        """Admitted objects: bool (N,). None without a pseudo mask, none that was pasted."""
        ious = box_iou(sample.boxes, sample.boxes).fill_diagonal_(0)
        return (
            has_area(sample, self.min_area)
            & (sample.quality > self.min_quality)
            & (sample.scores > self.min_score)
            & (ious < self.max_iou).all(dim=1)
        )


@dataclass(frozen=True)
class AnyPseudoMask:
    """Admits every object with a pseudo mask, whatever its quality or its neighbours.

    Attributes:
        min_area: of the pseudo mask, in pixels of the image.
    """

    min_area: float = 300.0

    def __call__(self, sample: TrainingSample) -> Tensor:
        """Admitted objects: bool (N,)."""
        return has_area(sample, self.min_area)


def has_area(sample: TrainingSample, min_area: float) -> Tensor:
    """Objects of the image itself with a pseudo mask of more than `min_area` pixels: bool (N,)."""
    return sample.valid & ~sample.pasted & (mask_areas(sample.masks) > max(min_area, 0))


@dataclass(frozen=True, eq=False)
class Tutor:
    """An object, cropped to the tight box of its pseudo mask. Lives on the CPU.

    Attributes:
        pixels: uint8 (3, h, w).
        packed_mask: uint8 (h, ceil(w / 8)), the mask's bits, first column highest.
        label: its class.
        quality: of the pseudo mask, in [0, 1].
        score: the detector's, in [0, 1].
    """

    pixels: Tensor
    packed_mask: Tensor
    label: int
    quality: float
    score: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.pixels.shape[1], self.pixels.shape[2]

    @property
    def nbytes(self) -> int:
        """Memory of pixels and mask."""
        return self.pixels.numel() + self.packed_mask.numel()

    def mask(self) -> Tensor:
        """The mask: bool (h, w)."""
        bits = np.unpackbits(self.packed_mask.numpy(), axis=1, count=self.pixels.shape[2])
        return torch.from_numpy(bits.astype(bool))

    def state_dict(self) -> dict[str, Any]:
        """Its attributes."""
        return dict(vars(self))

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Tutor:
        """The tutor that `state_dict` describes."""
        return Tutor(**state)


def cut_tutors(sample: TrainingSample, admitted: Tensor, max_bytes: float) -> list[Tutor]:
    """Tutors from the admitted objects, bool (N,), of a sample; objects above `max_bytes` are none.

    Crops differ in size, so this is a loop, but over the few objects admitted only.
    """
    tutors = []
    extents = tight_boxes(sample.masks).long().tolist()
    for index in admitted.nonzero()[:, 0].tolist():
        x0, y0, x1, y1 = extents[index]
        if tutor_bytes(y1 - y0, x1 - x0) > max_bytes:
            continue
        mask = sample.masks[index, y0:y1, x0:x1].cpu().numpy()
        tutor = Tutor(
            # A copy: a view would keep the whole image in memory.
            pixels=sample.image[:, y0:y1, x0:x1].cpu().clone(memory_format=torch.contiguous_format),
            packed_mask=torch.from_numpy(np.packbits(mask, axis=1)),
            label=int(sample.classes[index]),
            quality=float(sample.quality[index]),
            score=float(sample.scores[index]),
        )
        tutors.append(tutor)
    return tutors


def tutor_bytes(height: int, width: int) -> int:
    """Memory of a tutor of this size."""
    return height * (3 * width + (width + 7) // 8)


MEGABYTE = 10**6


class PeerMemoryBank:
    """The newest tutors, first in, first out (paper, section 3.4: a dynamic memory of 80).

    Tutors are kept cropped, as uint8 and packed bits. A tutor may fill 1 / capacity of `max_bytes`:
    larger objects are not admitted. So the bank never exceeds `max_bytes`, and large objects cannot
    push out many small ones. With the defaults a tutor takes at most 750 kB, that is 240,000 pixels
    or 489 x 489, which is between a fifth and a quarter of an 800 x 1333 image; an object above
    that would hide most of what it is pasted upon.

    A tutor stays until newer ones push it out, however often it has been drawn.

    Args:
        capacity: greatest number of tutors.
        max_bytes: greatest memory of their pixels and masks.
        admission: from a sample of N objects to bool (N,), those that become tutors.

    Raises:
        InputError: the capacity is below 1.
    """

    def __init__(
        self,
        capacity: int = 80,
        max_bytes: int = 60 * MEGABYTE,
        admission: Callable[[TrainingSample], Tensor] | None = None,
    ) -> None:
        if capacity < 1:
            raise InputError(f"the memory bank's capacity is {capacity}; set it to 1 or more")
        self.capacity = capacity
        self.max_bytes = max_bytes
        self.admission = admission or Admission()
        self._tutors: deque[Tutor] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._tutors)

    @property
    def tutors(self) -> tuple[Tutor, ...]:
        """Oldest first."""
        return tuple(self._tutors)

    @property
    def labels(self) -> set[int]:
        """Classes present."""
        return {tutor.label for tutor in self._tutors}

    @property
    def nbytes(self) -> int:
        """Memory of all pixels and masks."""
        return sum(tutor.nbytes for tutor in self._tutors)

    def add(self, sample: TrainingSample) -> int:
        """Remember the admitted objects of a sample; returns how many."""
        admitted = self.admission(sample)
        tutors = cut_tutors(sample, admitted, self.max_bytes / self.capacity)
        self._tutors.extend(tutors)
        return len(tutors)

    def draw(
        self, generator: torch.Generator, labels: Collection[int] | None = None
    ) -> Tutor | None:
        """A class drawn uniformly, then one of its tutors; None if there is none.

        Rare classes are drawn as often as common ones.

        Args:
            generator: on the CPU.
            labels: classes to draw among, of those in the bank; all of them if None.
        """
        choices = sorted(self.labels if labels is None else self.labels & set(labels))
        if not choices:
            return None
        label = choices[draw_index(len(choices), generator)]
        peers = [tutor for tutor in self._tutors if tutor.label == label]
        return peers[draw_index(len(peers), generator)]

    def remove(self, tutor: Tutor) -> None:
        """Forget a tutor.

        Raises:
            ValueError: it is not in the bank.
        """
        self._tutors.remove(tutor)

    def state_dict(self) -> dict[str, Any]:
        """The tutors, oldest first."""
        return {"tutors": [tutor.state_dict() for tutor in self._tutors]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember these tutors instead of the present ones; the newest, if there are too many."""
        self._tutors.clear()
        self._tutors.extend(Tutor.from_state(tutor) for tutor in state["tutors"])


def draw_index(count: int, generator: torch.Generator) -> int:
    """An index below `count`, drawn uniformly."""
    return int(torch.randint(count, (), generator=generator))
