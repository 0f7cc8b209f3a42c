"""Peer tutors: which objects may become one, and the memory of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_iou

from boxseg.box_masks import mask_areas
from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError
from boxseg.host_draws import draw_index
from boxseg.peer_copy_paste.tutors import (
    ObjectFacts,
    Selection,
    Tutor,
    cut_tutors,
    facts_of,
    small_enough,
)


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
        admission: from a sample of N objects to bool (N,), those that become tutors; it should not
            ask the device for anything.

    Raises:
        InputError: the capacity is below 1.
    """

    def __init__(
        self,
        capacity: int = 80,
        max_bytes: int = 60 * MEGABYTE,
        admission: Selection | None = None,
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
        return self.add_all([sample], facts_of([sample], self.admission))

    def add_all(self, samples: Sequence[TrainingSample], facts: Sequence[ObjectFacts]) -> int:
        """Remember the admitted objects of a batch, image by image.

        Args:
            samples: of one device.
            facts: of the samples, selected by the bank's admission.

        Returns:
            How many.
        """
        chosen = [small_enough(known, self.max_bytes / self.capacity) for known in facts]
        count = sum(map(len, chosen))
        passed_over = count - self.capacity  # those that the last ones would push out again
        for indices in chosen:
            over = max(min(passed_over, len(indices)), 0)
            del indices[:over]
            passed_over -= over
        for tutors in cut_tutors(samples, facts, chosen):
            self._tutors.extend(tutors)
        return count

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
