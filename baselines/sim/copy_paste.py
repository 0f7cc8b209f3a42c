"""SIM's own copy-paste: a few objects of an image seen before, where they were in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError
from boxseg.host_copies import index_on
from boxseg.host_draws import draw_index, draw_weighted
from boxseg.peer_copy_paste.copy_pastes import SeededCopyPaste, require_share
from boxseg.peer_copy_paste.occlusion import VisibilityRule, count_objects, put_all_in_front
from boxseg.peer_copy_paste.placement import Patch, shown_part
from boxseg.peer_copy_paste.tutors import Tutor, cut_tutors, facts_of, small_enough

MAX_TUTOR_BYTES = 750_000
"""An object that takes more is not remembered: 489 x 489 pixels, as in the bank of peers."""


@dataclass(frozen=True)
class PlacedTutor:
    """An object and where it was: its crop's first pixel (x, y) in its image."""

    tutor: Tutor
    corner: tuple[int, int]

    def in_image(self, size: tuple[int, int], device: torch.device) -> TrainingSample:
        """The object alone, at its place in an otherwise black image of this height and width."""
        patch = Patch(self.tutor.pixels, self.tutor.bits())
        return patch.in_image(size, self.corner, self.tutor, device)

    def is_inside(self, size: tuple[int, int], min_inside: float) -> bool:
        """Whether this share of the mask, and some pixel, falls in an image of this size."""
        bits = self.tutor.bits()
        inside = bits[shown_part(self.tutor.size, self.corner, size)].sum(dtype=np.float32)
        needed = np.float32(min_inside) * bits.sum(dtype=np.float32)
        return bool(inside > 0 and inside >= needed)


class ImageBankCopyPaste(SeededCopyPaste):
    """Pastes objects of one of the last images, at their own coordinates.

    An image gets, with some probability and once the bank is full, n = share x objects (at least
    `fewest`, at most `most`) of the objects of a remembered image, drawn with weights quality^3.
    Nothing is rescaled; what falls outside is cut off, and an object of which less than
    `min_inside` remains is not pasted. After the whole batch its images are remembered as they
    were, with the objects that have a pseudo mask.

    The released code draws with replacement, so that an object may be pasted twice over itself, and
    fills the bank with copies of the batch's last image (`baselines.sim.released_copy_paste`).

    Args:
        capacity: of the bank, in images.
        probability: of pasting per image.
        start_iterations: nothing is remembered until they have passed.
        share, fewest, most: of the objects of the remembered image.
        min_inside: share of a mask that must fall inside the image.
        visibility: which objects below stay, and their boxes; `VisibleBoxes` by default.
        seed: of all random choices.

    Raises:
        InputError: the capacity or the number of objects is below 1, or a share is outside [0, 1].
    """

    def __init__(
        self,
        capacity: int = 50,
        probability: float = 0.5,
        start_iterations: int = 10_000,
        share: float = 0.5,
        fewest: int = 1,
        most: int = 3,
        min_inside: float = 0.1,
        visibility: VisibilityRule | None = None,
        seed: int = 0,
    ) -> None:
        if capacity < 1 or not 1 <= fewest <= most:
            raise InputError(
                f"copy-paste's capacity {capacity} and number of objects {fewest} to {most} must "
                "be 1 or more, the smaller number first."
            )
        super().__init__(probability, visibility, seed)
        require_share("share", share)
        require_share("min_inside", min_inside)
        self.start_iterations = start_iterations
        self.share = share
        self.fewest = fewest
        self.most = most
        self.min_inside = min_inside
        self.bank: deque[list[PlacedTutor]] = deque(maxlen=capacity)

    @torch.no_grad()
    def __call__(
        self, samples: Sequence[TrainingSample], iteration: int
    ) -> tuple[list[TrainingSample], dict[str, float]]:
        """Paste, then remember; see `CopyPaste`."""
        sources = [self.source(sample) for sample in samples]
        outcomes = put_all_in_front(samples, sources, self.visibility)
        if iteration > self.start_iterations:
            self.remember_all(samples)
        size = sum(len(image) for image in self.bank)
        return outcomes, {"pastes": count_objects(sources), "bank_size": float(size)}

    def remember(self, sample: TrainingSample) -> None:
        """Keep the image's own objects that have a pseudo mask, if any."""
        self.remember_all([sample])

    def remember_all(self, samples: Sequence[TrainingSample]) -> None:
        """Keep the images of a batch with their own objects that have a pseudo mask."""
        facts = facts_of(samples, own_objects)
        chosen = [small_enough(known, MAX_TUTOR_BYTES) for known in facts]
        tutors = cut_tutors(samples, facts, chosen)
        for known, indices, cut in zip(facts, chosen, tutors, strict=True):
            corners = [(int(x), int(y)) for x, y in known.extents[indices, :2]]
            if cut:
                self.bank.append([PlacedTutor(*pair) for pair in zip(cut, corners, strict=True)])

    def teach(self, sample: TrainingSample) -> TrainingSample:
        """The sample with objects of a remembered image in front, or the sample itself."""
        return put_all_in_front([sample], [self.source(sample)], self.visibility)[0]

    def source(self, sample: TrainingSample) -> TrainingSample | None:
        """Drawn objects of a remembered image in an image of the sample's size, or None."""
        full = len(self.bank) == self.bank.maxlen
        if not full or not self.happens(self.probability):
            return None
        image = self.bank[draw_index(len(self.bank), self.generator)]
        number = min(max(int(self.share * len(image)), self.fewest), self.most, len(image))
        weights = torch.tensor([placed.tutor.quality for placed in image]) ** 3
        drawn = draw_weighted(weights, number, self.generator)
        chosen = [image[index] for index in drawn]
        inside = [placed.is_inside(sample.size, self.min_inside) for placed in chosen]
        if not any(inside):
            return None
        device = sample.image.device
        source, *others = [placed.in_image(sample.size, device) for placed in chosen]
        for other in others:
            pixels = torch.where(other.masks, other.image, source.image)
            source = replace(source, image=pixels).with_objects_of(other)
        return source.objects(index_on(device, np.flatnonzero(inside)))

    def state_dict(self) -> dict[str, Any]:
        """The bank, and where the random generator stands."""
        bank = [
            [
                {"tutor": placed.tutor.state_dict(), "corner": list(placed.corner)}
                for placed in image
            ]
            for image in self.bank
        ]
        return {"bank": bank, **super().state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        super().load_state_dict(state)
        self.bank.clear()
        for image in state["bank"]:
            placed = [PlacedTutor(Tutor.from_state(p["tutor"]), tuple(p["corner"])) for p in image]
            self.bank.append(placed)


def own_objects(sample: TrainingSample) -> Tensor:
    """Objects of the image itself with a pseudo mask: bool (N,)."""
    return sample.valid & ~sample.pasted
