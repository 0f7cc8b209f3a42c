"""What a copy-paste decides by: the objects of a batch without their pixels, on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from boxseg.box_masks import tight_boxes
from boxseg.copy_paste import TrainingSample
from boxseg.host_copies import to_host

Selection = Callable[[TrainingSample], Tensor]
"""From a sample of N objects to some of them, bool (N,), without asking the device."""


@dataclass(frozen=True, eq=False)
class ObjectFacts:
    """The N objects of an image.

    Attributes:
        boxes: float32 (N, 4), XYXY in pixels.
        classes: int64 (N,).
        quality: float32 (N,), of the pseudo masks.
        scores: float32 (N,), the detector's.
        extents: int64 (N, 4), tight boxes of the masks, XYXY in pixels; 0 of an empty mask.
        selected: bool (N,), those that may be remembered.
    """

    boxes: np.ndarray
    classes: np.ndarray
    quality: np.ndarray
    scores: np.ndarray
    extents: np.ndarray
    selected: np.ndarray

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.boxes)


def facts_of(samples: Sequence[TrainingSample], selection: Selection) -> list[ObjectFacts]:
    """The objects of every sample, with one copy to the host for all.

    Args:
        samples: of one device.
        selection: decides which objects may be remembered.
    """
    wanted = [
        (
            sample.boxes.float(),
            sample.classes,
            sample.quality.float(),
            sample.scores.float(),
            tight_boxes(sample.masks).long(),
            selection(sample),
        )
        for sample in samples
    ]
    known = iter(to_host([tensor for fields in wanted for tensor in fields]))
    return [ObjectFacts(*(next(known) for _ in fields)) for fields in wanted]
