"""The memory of peer tutors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError
from boxseg.peer_copy_paste.tutors import Admission, Tutor, cut_tutors

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
