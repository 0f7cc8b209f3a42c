"""The objects of earlier images, and which of them are like a new one (DiscoBox)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class StoredObjects:
    """E objects, oldest first.

    Attributes:
        features: float32 (E, C, S, S), not negative, of length 1 in every cell.
        masks: float32 (E, T, T), probabilities.
        boxes: float32 (E, 4), XYXY; only their shape counts.
        classes: int64 (E,).
    """

    features: Tensor
    masks: Tensor
    boxes: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, chosen: Tensor) -> StoredObjects:
        """Those of an index or a mask."""
        return StoredObjects(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def on(self, device: torch.device) -> StoredObjects:
        """The same on a device; a checkpoint's are on the host."""
        return StoredObjects(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def detached(self) -> StoredObjects:
        """The same without gradient."""
        return StoredObjects(**{f.name: getattr(self, f.name).detach() for f in fields(self)})

    def followed_by(self, newer: StoredObjects) -> StoredObjects:
        """These, and then those."""
        return StoredObjects(
            **{
                f.name: torch.cat((getattr(self, f.name), getattr(newer, f.name)))
                for f in fields(self)
            }
        )


@dataclass(frozen=True)
class Likeness:
    """How like a stored object must be: of the same class, and above all these limits.

    Attributes:
        foreground: least overlap of the masks' foregrounds.
        background: of their backgrounds.
        appearance: least cosine of the features, averaged over the cells that both masks have.
        shapes: least and greatest ratio of the boxes' width to height, the new one's to the stored
            one's.
    """

    foreground: float = 0.7
    background: float = 0.7
    appearance: float = 0.7
    shapes: tuple[float, float] = (0.9, 1.2)

    def __call__(self, new: StoredObjects, stored: StoredObjects) -> Tensor:
        """Which stored objects are alike: bool (Q, E)."""
        low, high = self.shapes
        shapes = shape_ratios(new.boxes, stored.boxes)
        return (
            (new.classes[:, None] == stored.classes)
            & (soft_overlaps(new.masks, stored.masks) > self.foreground)
            & (soft_overlaps(1 - new.masks, 1 - stored.masks) > self.background)
            & (appearances(new, stored) > self.appearance)
            & (shapes >= low)
            & (shapes <= high)
        )


def soft_overlaps(new: Tensor, stored: Tensor) -> Tensor:
    """Sum of a b / number of cells where a + b is 1 or more, of all pairs: (Q, E).

    Args:
        new: (Q, T, T).
        stored: (E, T, T).
    """
    a, b = new.flatten(1), stored.flatten(1)
    return a @ b.T / (a[:, None] + b >= 1).sum(dim=2)


def appearances(new: StoredObjects, stored: StoredObjects) -> Tensor:
    """Mean cosine of the features in the same cells, weighted by both masks: (Q, E)."""
    side = new.features.shape[-1]
    a, b = (
        F.interpolate(masks[:, None], (side, side), mode="bilinear", align_corners=False)
        for masks in (new.masks, stored.masks)
    )
    weights = a.flatten(1) @ b.flatten(1).T
    return (new.features * a).flatten(1) @ (stored.features * b).flatten(1).T / (weights + 1e-6)


def shape_ratios(new: Tensor, stored: Tensor) -> Tensor:
    """Width / height of boxes (Q, 4) over that of others (E, 4): (Q, E)."""
    shapes = [(b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1] + 1e-5) for b in (new, stored)]
    return shapes[0][:, None] / shapes[1]


class ObjectBank:
    """For every class a queue of its last objects.

    Args:
        capacity: greatest number of objects of a class.
        wanted: how many like objects one is compared with; fewer are none.
        likeness: of which objects; the released limits by default.
    """

    def __init__(
        self, capacity: int = 100, wanted: int = 5, likeness: Likeness | None = None
    ) -> None:
        self.capacity = capacity
        self.wanted = wanted
        self.likeness = likeness or Likeness()
        self.objects: StoredObjects | None = None

    @torch.no_grad()
    def exchange(
        self, new: StoredObjects, admitted: StoredObjects, admissible: Tensor
    ) -> tuple[Tensor, StoredObjects]:
        """Find like objects for Q new ones, and remember what the teacher says of them.

        The Q come one after the other: each looks among the stored ones and those before it, and
        then is stored itself.

        Args:
            new: Q objects as the student has them.
            admitted: the same as the teacher has them.
            admissible: bool (Q,), which of them are to be stored.

        Returns:
            int64 (m,), those that found as many as are wanted; and these stored objects, m times
            `wanted`, one's after the other's, oldest first.
        """
        none = torch.zeros_like(admissible)
        stored = admitted[none] if self.objects is None else self.objects.on(new.classes.device)
        everyone = stored.followed_by(admitted)
        before, device = len(stored), new.classes.device
        number = torch.arange(len(everyone), device=device)
        turn = before + torch.arange(len(new), device=device)
        kept = torch.cat((torch.ones(before, device=device).bool(), admissible))
        same_class = new.classes[:, None] == everyone.classes
        there = kept & same_class & (number < turn[:, None])
        # Place from the end of the class's queue as it is at each one's turn: 1 for the newest.
        from_the_end = there.flip(1).cumsum(dim=1).flip(1)
        alike = there & (from_the_end <= self.capacity) & self.likeness(new, everyone)
        first = alike & (alike.cumsum(dim=1) <= self.wanted)
        matched = (first.sum(dim=1) == self.wanted).nonzero().squeeze(1)
        found = everyone[first[matched].nonzero()[:, 1]]
        self.objects = everyone[kept & self._young(everyone.classes, kept)]
        return matched, found

    def _young(self, classes: Tensor, kept: Tensor) -> Tensor:
        """Which objects are among the last of their class: bool (E,)."""
        ones = F.one_hot(classes) * kept[:, None] if len(classes) else classes.new_zeros(0, 1)
        newer = ones.flip(0).cumsum(dim=0).flip(0)
        return newer.gather(1, classes[:, None])[:, 0] <= self.capacity

    def state_dict(self) -> dict[str, Any]:
        """The objects, oldest first; nothing while there are none."""
        if self.objects is None:
            return {}
        return {field.name: getattr(self.objects, field.name) for field in fields(StoredObjects)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember these objects instead of the present ones."""
        self.objects = StoredObjects(**state) if state else None
