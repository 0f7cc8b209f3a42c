"""What a copy-paste knows of objects: facts to decide by, and tutors to paste into other images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from boxseg.box_masks import tight_boxes
from boxseg.copy_paste import TrainingSample
from boxseg.host_copies import on_host, to_host

Selection = Callable[[TrainingSample], Tensor]
"""From a sample of N objects to some of them, bool (N,), without asking the device."""


@dataclass(frozen=True, eq=False)
class ObjectFacts:
    """The N objects of an image without their pixels, on the host.

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


@dataclass(frozen=True, eq=False)
class Tutor:
    """An object kept by itself, cropped to the tight box of its pseudo mask. Lives on the CPU.

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

    def bits(self) -> np.ndarray:
        """The mask: bool (h, w), of the host."""
        packed = on_host(self.packed_mask)
        return np.unpackbits(packed, axis=1, count=self.pixels.shape[2]).astype(bool)

    def mask(self) -> Tensor:
        """The mask: bool (h, w)."""
        return torch.from_numpy(self.bits())

    def state_dict(self) -> dict[str, Any]:
        """Its attributes."""
        return dict(vars(self))

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Tutor:
        """The tutor that `state_dict` describes."""
        return Tutor(**state)


def small_enough(facts: ObjectFacts, max_bytes: float) -> list[int]:
    """The selected objects that take no more than `max_bytes` as tutors."""
    return [
        int(index)
        for index in np.flatnonzero(facts.selected)
        if tutor_bytes(*size_of(facts.extents[index])) <= max_bytes
    ]


def cut_tutors(
    samples: Sequence[TrainingSample],
    facts: Sequence[ObjectFacts],
    chosen: Sequence[Sequence[int]],
) -> list[list[Tutor]]:
    """Tutors of some objects of every sample, with one copy to the host for all.

    Crops differ in size, so this is a loop, but over the few objects chosen only.

    Args:
        samples: of one device.
        facts: of the samples.
        chosen: of every sample, the objects that are cut out.
    """
    places = [(image, index) for image, indices in enumerate(chosen) for index in indices]
    tutors: list[list[Tutor]] = [[] for _ in samples]
    if not places:
        return tutors
    pixels, rows = [], []
    for image, index in places:
        x0, y0, x1, y1 = facts[image].extents[index].tolist()
        pixels.append(samples[image].image[:, y0:y1, x0:x1])
        # Every row fills whole bytes.
        rows.append(F.pad(samples[image].masks[index, y0:y1, x0:x1], (0, (x0 - x1) % 8)).flatten())
    *crops, packed = to_host([*pixels, packed_bits(torch.cat(rows))])
    ends = np.cumsum([len(row) // 8 for row in rows])
    masks = np.split(packed, ends[:-1])
    for (image, index), crop, mask in zip(places, crops, masks, strict=True):
        known, (height, width) = facts[image], crop.shape[1:]
        tutors[image].append(
            Tutor(
                pixels=torch.from_numpy(crop),
                packed_mask=torch.from_numpy(mask.reshape(height, (width + 7) // 8).copy()),
                label=int(known.classes[index]),
                quality=float(known.quality[index]),
                score=float(known.scores[index]),
            )
        )
    return tutors


def packed_bits(bits: Tensor) -> Tensor:
    """Bytes of bits, bool (8 n,), the first highest: uint8 (n,)."""
    values = 1 << torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
    return (bits.reshape(-1, 8) * values).sum(dim=1, dtype=torch.uint8)


def size_of(extent: np.ndarray) -> tuple[int, int]:
    """Height and width of an extent, int64 (4,) XYXY."""
    x0, y0, x1, y1 = extent.tolist()
    return y1 - y0, x1 - x0


def tutor_bytes(height: int, width: int) -> int:
    """Memory of a tutor of this size."""
    return height * (3 * width + (width + 7) // 8)
