"""Copy-paste as the released code does it, where that differs from the paper.

For measuring the difference, and for parity: its random choices follow NumPy's and Python's legacy
generators draw by draw. What `boxseg.peer_copy_paste.copy_pastes` does otherwise is the paper's.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from boxseg.box_masks import box_masks, mask_areas, tight_boxes
from boxseg.copy_paste import OBJECT_FIELDS, CopyPaste, TrainingSample
from boxseg.host_copies import index_on, on_host, to_host
from boxseg.peer_copy_paste.bank import Admission
from boxseg.peer_copy_paste.copy_pastes import require
from boxseg.peer_copy_paste.occlusion import count_objects, put_all_in_front
from boxseg.peer_copy_paste.placement import moved, shown_part
from boxseg.peer_copy_paste.tutors import ObjectFacts, facts_of

Kind = Literal["instance", "segmentation", "simple"]
Outcome = Literal["pasted", "skipped_by_rate", "no_source"]
Key = tuple[int, ...]


@dataclass(frozen=True)
class ReleasedVisibility:
    """Tight boxes of the boxes' uncovered pixels, whether or not anything covers them.

    An object stays if no side of its box moves by more than `max_moved` pixels, or if more than
    `min_visible_area` pixels of its mask remain.
    """

    max_moved: float = 10.0
    min_visible_area: float = 300.0

    def __call__(self, sample: TrainingSample, front: Tensor) -> tuple[Tensor, Tensor]:
        uncovered = pixels_of_boxes(sample) & ~front
        boxes = tight_boxes(uncovered)
        near = ((boxes - sample.boxes).abs() <= self.max_moved).all(dim=1)
        areas = mask_areas(sample.masks & ~front)
        seen = uncovered.flatten(1).any(dim=1)
        return boxes, seen & (near | (areas > self.min_visible_area))


def pixels_of_boxes(sample: TrainingSample) -> Tensor:
    """Pixels that the boxes fill, by BoxInst's convention: bool (N, H, W)."""
    return box_masks(sample.boxes, 1, *sample.size)


class ReleasedBank:
    """Images with their admitted objects, keyed by the tuple of these objects' classes.

    A key that exists is not replaced; above the capacity a random entry is dropped, the new one as
    likely as any. Whole images are kept, on the CPU, so this bank is as large as its images are.

    Args:
        capacity: greatest number of images.
        admission: from a sample of N objects to bool (N,).
    """

    def __init__(self, capacity: int, admission: Admission) -> None:
        self.capacity = capacity
        self.admission = admission
        self.entries: dict[Key, TrainingSample] = {}

    def add(self, sample: TrainingSample, generator: random.Random) -> bool:
        """Remember the sample's admitted objects, if any; whether that was tried."""
        (entry,) = entries_of([sample], facts_of([sample], self.admission))
        return self.remember(entry, generator)

    def remember(self, entry: TrainingSample, generator: random.Random) -> bool:
        """Take an image in with all its objects, if it has any; whether that was tried."""
        key: Key = tuple(on_host(entry.classes).tolist())
        if not key or key in self.entries:
            return False
        self.entries[key] = entry
        if len(self.entries) > self.capacity:
            del self.entries[generator.choice(list(self.entries))]
        return True

    def draw(self, classes: set[int], generator: random.Random) -> Key | None:
        """A random key that shares a class, or None."""
        untried = list(self.entries)
        while untried:
            key = generator.choice(untried)
            if classes & set(key):
                return key
            untried.remove(key)
        return None


def entries_of(
    samples: Sequence[TrainingSample], facts: Sequence[ObjectFacts]
) -> list[TrainingSample]:
    """The images of a batch on the CPU with their selected objects; one copy for all."""
    names = ("image", *OBJECT_FIELDS)
    selected = [
        sample.objects(index_on(sample.boxes.device, np.flatnonzero(known.selected)))
        for sample, known in zip(samples, facts, strict=True)
    ]
    copied = iter(to_host([getattr(entry, name) for entry in selected for name in names]))
    return [
        TrainingSample(**{name: torch.from_numpy(next(copied)) for name in names}) for _ in selected
    ]


class ReleasedCopyPaste(CopyPaste):
    """The released copy-paste.

    With probability `skipped` x min(iteration / warmup_iterations, 1) there is NO paste. Else an
    entry of the bank with a class of the image is drawn. Kind "instance" takes its object with the
    best mask of those classes and a random object of the same class as learner; "segmentation"
    takes a random learner of any class; "simple" pastes all objects of the entry where they were.
    The shift is drawn so that about `margin` of the tutor's box overlaps the learner's, then
    rounded; what falls outside is cut off, and objects of which `min_visible_area` or less remains
    are not pasted. An entry leaves the bank once it is pasted. Then the image's own objects may
    enter.

    Args:
        kind: "instance" in all released configurations.
        capacity: of the bank, in images.
        skipped: greatest probability of no paste.
        warmup_iterations: over which it grows from 0.
        margin: share of the tutor's width and height.
        min_area: of a mask admitted to the bank, in pixels.
        max_moved, min_visible_area: see `ReleasedVisibility`.
        seed: of both generators.
    """

    def __init__(
        self,
        kind: Kind = "instance",
        capacity: int = 80,
        skipped: float = 0.7,
        warmup_iterations: int = 10_000,
        margin: float = 0.1,
        min_area: float = 300.0,
        max_moved: float = 10.0,
        min_visible_area: float = 300.0,
        seed: int = 0,
    ) -> None:
        require("kind", kind, ("instance", "segmentation", "simple"))
        self.kind = kind
        self.bank = ReleasedBank(capacity, Admission(min_area=min_area))
        self.skipped = skipped
        self.warmup_iterations = warmup_iterations
        self.margin = margin
        self.min_visible_area = min_visible_area
        self.visibility = ReleasedVisibility(max_moved, min_visible_area)
        self.keys = random.Random(seed)
        self.numbers = np.random.RandomState(seed)

    @torch.no_grad()
    def __call__(
        self, samples: Sequence[TrainingSample], iteration: int
    ) -> tuple[list[TrainingSample], dict[str, float]]:
        """Paste and remember, image by image; see `CopyPaste`."""
        drawn = self.drawn(samples, iteration)
        sources = [source for source, _ in drawn]
        outcomes = self.paste_all(samples, sources)
        size = sum(len(entry) for entry in self.bank.entries.values())
        return outcomes, {"pastes": count_objects(sources), "bank_size": float(size)}

    def transform(self, sample: TrainingSample, iteration: float) -> tuple[TrainingSample, Outcome]:
        """One image: the sample with what was pasted, or itself, and what happened."""
        ((source, outcome),) = self.drawn([sample], iteration)
        return self.paste_all([sample], [source])[0], outcome

    def drawn(
        self, samples: Sequence[TrainingSample], iteration: float
    ) -> list[tuple[TrainingSample | None, Outcome]]:
        """What is pasted into each image, in its frame, and what happened; all are remembered."""
        facts = facts_of(samples, self.bank.admission)
        drawn = []
        for sample, known, entry in zip(samples, facts, entries_of(samples, facts), strict=True):
            drawn.append(self.source(sample, known, iteration))
            self.bank.remember(entry, self.keys)
        return drawn

    def source(
        self, sample: TrainingSample, known: ObjectFacts, iteration: float
    ) -> tuple[TrainingSample | None, Outcome]:
        """What is pasted into an image, in its frame, or None, and what happened."""
        rate = self.skipped * min(iteration / max(self.warmup_iterations, 1), 1)
        if self.numbers.rand() < rate:
            return None, "skipped_by_rate"
        key = self.bank.draw(set(known.classes.tolist()), self.keys)
        if key is None:
            return None, "no_source"
        entry = self.bank.entries[key]
        chosen, offset = self.chosen(entry, known, sample.size)
        if not len(chosen):
            return None, "no_source"
        del self.bank.entries[key]
        device = sample.image.device
        image, masks = (
            moved(maps.to(device, non_blocking=True), offset, sample.size)
            for maps in (entry.image, entry.masks[torch.from_numpy(chosen)])
        )
        shown = replace(entry.objects(torch.from_numpy(chosen)), image=image, masks=masks)
        return shown, "pasted"

    def chosen(
        self, entry: TrainingSample, known: ObjectFacts, size: tuple[int, int]
    ) -> tuple[np.ndarray, tuple[int, int]]:
        """The objects to paste, int64 (n,), and how far they are shifted, (x, y) in pixels.

        Args:
            entry: of the bank, on the CPU.
            known: of the image that is pasted upon.
            size: height and width of that image.

        Returns:
            None of the objects if too little of them is inside.
        """
        classes, quality = on_host(entry.classes), on_host(entry.quality)
        chosen, offset = np.arange(len(entry)), (0, 0)
        if self.kind != "simple":
            shared = np.isin(classes, known.classes)
            best = int(np.where(shared, quality, -1.0).argmax())
            candidates = np.arange(len(known))
            if self.kind == "instance":
                candidates = np.flatnonzero(known.classes == classes[best])
            learner = int(self.numbers.choice(candidates))
            offset = self.offset(on_host(entry.boxes)[best], known.boxes[learner])
            chosen = np.array([best])
        rows, columns = shown_part(entry.size, offset, size)
        areas = on_host(entry.masks)[chosen, rows, columns].sum(axis=(1, 2))
        return chosen[areas > np.float32(self.min_visible_area)], offset

    def offset(self, tutor: np.ndarray, learner: np.ndarray) -> tuple[int, int]:
        """How far the tutor is shifted, (x, y) in pixels; boxes (4,) XYXY in pixels."""
        shifts = []
        for axis in (0, 1):
            start, end = float(tutor[axis]), float(tutor[axis + 2])
            margin = self.margin * (end - start)
            lowest = float(learner[axis]) - end + margin
            highest = float(learner[axis + 2]) - start - margin
            shifts.append(round(self.numbers.uniform(lowest, highest)))
        return shifts[0], shifts[1]

    def paste(self, sample: TrainingSample, source: TrainingSample) -> TrainingSample:
        """Put objects that are in the frame of the sample in front of its own."""
        return self.paste_all([sample], [source])[0]

    def paste_all(
        self, samples: Sequence[TrainingSample], sources: Sequence[TrainingSample | None]
    ) -> list[TrainingSample]:
        """Paste into the images of a batch; those without a source are returned as they are."""
        inside = [
            sample
            if source is None
            else replace(sample, masks=sample.masks & pixels_of_boxes(sample))
            for sample, source in zip(samples, sources, strict=True)
        ]
        return put_all_in_front(inside, sources, self.visibility)

    def state_dict(self) -> dict[str, Any]:
        """The bank, and where both random generators stand."""
        entries = [
            {name: getattr(entry, name) for name in ("image", *OBJECT_FIELDS)}
            for entry in self.bank.entries.values()
        ]
        name, words, position, has_gauss, gauss = cast(Any, self.numbers.get_state(legacy=True))
        numbers = [name, torch.from_numpy(words.astype(np.int64)), position, has_gauss, gauss]
        version, internal, spare = self.keys.getstate()
        return {"entries": entries, "numbers": numbers, "keys": [version, list(internal), spare]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        entries = [TrainingSample(**entry) for entry in state["entries"]]
        self.bank.entries = {tuple(entry.classes.tolist()): entry for entry in entries}
        name, words, position, has_gauss, gauss = state["numbers"]
        self.numbers.set_state((name, words.numpy().astype(np.uint32), position, has_gauss, gauss))
        version, internal, spare = state["keys"]
        self.keys.setstate((version, tuple(internal), spare))
