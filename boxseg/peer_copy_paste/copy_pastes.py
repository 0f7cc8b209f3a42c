"""The copy-pastes: peer-assisted (PC), and the ordinary one that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from boxseg.box_masks import mask_areas
from boxseg.copy_paste import CopyPaste, TrainingSample
from boxseg.errors import InputError
from boxseg.host_copies import index_on, to_host
from boxseg.host_draws import draw_index, draw_uniform
from boxseg.peer_copy_paste.bank import Admission, AnyPseudoMask, PeerMemoryBank
from boxseg.peer_copy_paste.occlusion import (
    VisibilityRule,
    VisibleBoxes,
    count_objects,
    put_all_in_front,
)
from boxseg.peer_copy_paste.placement import (
    LearnerChoice,
    OverlappingPlace,
    Placement,
    RandomPlace,
    fitted_patch,
    moved,
)
from boxseg.peer_copy_paste.tutors import ObjectFacts, Selection, facts_of


class SeededCopyPaste(CopyPaste):
    """A copy-paste that happens with some probability and draws from a generator of its own.

    Args:
        probability: of pasting per image.
        visibility: which objects below stay, and their boxes; `VisibleBoxes` by default.
        seed: of all random choices.

    Raises:
        InputError: a probability outside [0, 1].
    """

    def __init__(self, probability: float, visibility: VisibilityRule | None, seed: int) -> None:
        require_share("probability", probability)
        self.probability = probability
        self.visibility = visibility or VisibleBoxes()
        self.generator = torch.Generator().manual_seed(seed)

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens; drawn."""
        return float(draw_uniform(1, self.generator)[0]) < probability

    def state_dict(self) -> dict[str, Any]:
        """Where the random generator stands."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        self.generator.set_state(state["generator"].cpu())


def require(name: str, value: str, known: Sequence[str]) -> None:
    """Check a choice.

    Raises:
        InputError: it is none of those known.
    """
    if value not in known:
        raise InputError(f"copy-paste's {name} is {value!r}; set it to one of {', '.join(known)}")


def require_share(name: str, value: float) -> None:
    """Check a share.

    Raises:
        InputError: it is outside [0, 1].
    """
    if not 0 <= value <= 1:
        raise InputError(f"copy-paste's {name} is {value}; set it to a number from 0 to 1")


class PeerCopyPaste(SeededCopyPaste):
    """PC of the paper (section 3.4, algorithm 1, table 5).

    In every image, with some probability, a tutor drawn from the bank is pasted in front of the
    objects; after the whole batch, its own objects, as they were before, may become tutors. So no
    object is pasted into its own image in the step it was seen. There is no rescaling. A tutor
    larger than the image is first cropped to a random window of the image's size (and not pasted if
    `min_area` or less is left), so that nothing is ever outside and the overlap is that of what is
    pasted. The pasted object joins the targets with its class, mask, quality and score and the
    tight box of its mask.

    Table 5: no paste is no copy-paste at all; a random tutor at a random place is ("random",
    "random"), a good one ("high-quality", "random"), and PC itself ("high-quality", "overlapped").

    Args:
        select: "high-quality" admits to the bank by `boxseg.peer_copy_paste.bank.Admission`;
            "random" admits every object with a pseudo mask of more than `min_area` pixels, since
            quality, score and isolation together are the paper's selection.
        paste: "overlapped" over a learner, or at a "random" place.
        probability: of a paste per image, once warmed up.
        warmup_iterations: over which the probability grows linearly from 0. The released code's
            ramp, 0.7 after 10,000 iterations, is the probability of no paste, which looks inverted
            (`ReleasedCopyPaste` has it); the defaults are that ramp the other way round.
        learner: see `OverlappingPlace`.
        same_class: only learners of the tutor's class, or at a random place only tutors of the
            image's classes, as in the released code; the paper does not ask for it.
        min_overlap: see `OverlappingPlace`.
        min_quality, min_score, max_iou, min_area: see `Admission`. `min_area` is in pixels of the
            student's image and scales with it.
        capacity: of the bank.
        single_use: a tutor leaves the bank once it is pasted, as in the released code, instead of
            staying until newer ones push it out.
        visibility: which objects below stay, and their boxes; `VisibleBoxes` by default.
        seed: of all random choices.

    Raises:
        InputError: an unknown choice, or a share outside [0, 1].
    """

    def __init__(
        self,
        select: Literal["high-quality", "random"] = "high-quality",
        paste: Literal["overlapped", "random"] = "overlapped",
        probability: float = 0.7,
        warmup_iterations: int = 10_000,
        learner: LearnerChoice = "any",
        same_class: bool = False,
        min_overlap: float = 0.1,
        min_quality: float = 0.5,
        min_score: float = 0.5,
        max_iou: float = 0.1,
        min_area: float = 300.0,
        capacity: int = 80,
        single_use: bool = False,
        visibility: VisibilityRule | None = None,
        seed: int = 0,
    ) -> None:
        require("select", select, ("high-quality", "random"))
        require("paste", paste, ("overlapped", "random"))
        require("learner", learner, ("any", "lowest-quality"))
        require_share("min_overlap", min_overlap)
        super().__init__(probability, visibility, seed)
        admission: dict[str, Selection] = {
            "high-quality": Admission(min_quality, min_score, max_iou, min_area),
            "random": AnyPseudoMask(min_area),
        }
        places: dict[str, Placement] = {
            "overlapped": OverlappingPlace(min_overlap, learner),
            "random": RandomPlace(),
        }
        self.bank = PeerMemoryBank(capacity, admission=admission[select])
        self.place = places[paste]
        self.warmup_iterations = warmup_iterations
        self.same_class = same_class
        self.min_area = min_area
        self.single_use = single_use

    @torch.no_grad()
    def __call__(
        self, samples: Sequence[TrainingSample], iteration: int
    ) -> tuple[list[TrainingSample], dict[str, float]]:
        """Paste, then remember; see `CopyPaste`."""
        warmth = min(iteration / self.warmup_iterations, 1.0) if self.warmup_iterations else 1.0
        facts = facts_of(samples, self.bank.admission)
        sources = [
            self.source(sample, known, self.probability * warmth)
            for sample, known in zip(samples, facts, strict=True)
        ]
        outcomes = put_all_in_front(samples, sources, self.visibility)
        self.bank.add_all(samples, facts)
        return outcomes, {"pastes": count_objects(sources), "bank_size": float(len(self.bank))}

    def teach(self, sample: TrainingSample, probability: float) -> TrainingSample:
        """The sample with a tutor pasted, or the sample itself; nothing is remembered."""
        (known,) = facts_of([sample], self.bank.admission)
        source = self.source(sample, known, probability)
        return put_all_in_front([sample], [source], self.visibility)[0]

    def source(
        self, sample: TrainingSample, known: ObjectFacts, probability: float
    ) -> TrainingSample | None:
        """The tutor to be pasted into a sample, at its place in an image of that size, or None."""
        if not self.happens(probability):
            return None
        labels = set(known.classes.tolist()) if self.same_class else None
        tutor = self.bank.draw(self.generator, labels)
        if tutor is None:
            return None
        patch = fitted_patch(tutor, sample.size, self.generator)
        if int(patch.mask.sum()) <= self.min_area:
            return None
        candidates = np.ones(len(known), dtype=bool)
        if self.same_class:
            candidates = known.classes == tutor.label
        offset = self.place.among(known, candidates, patch.size, sample.size, self.generator)
        if offset is None:
            return None
        if self.single_use:
            self.bank.remove(tutor)
        return patch.in_image(sample.size, offset, tutor, sample.image.device)

    def state_dict(self) -> dict[str, Any]:
        """The bank, and where the random generator stands."""
        return {"bank": self.bank.state_dict(), **super().state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        super().load_state_dict(state)
        self.bank.load_state_dict(state["bank"])


class OrdinaryCopyPaste(SeededCopyPaste):
    """Copies a random subset of another image's objects, each to where it was.

    The other image is one of the batch, as the batch was given; its geometric augmentation is the
    batch's, and there is none besides. Every object with a pseudo mask is copied with probability
    `share`, whatever the mask's quality; parts that fall outside a smaller image are cut off, and
    an object of which less than `min_inside` remains is not pasted. Objects pasted together keep
    the masks that they had together. A batch of one image is returned as it is.

    Args:
        probability: of pasting per image.
        share: of the objects, on average.
        min_inside: share of a mask that must fall inside the image.
        visibility: which objects below stay, and their boxes; `VisibleBoxes` by default.
        seed: of all random choices.

    Raises:
        InputError: a share outside [0, 1].
    """

    needs_other_images = True

    def __init__(
        self,
        probability: float = 0.5,
        share: float = 0.5,
        min_inside: float = 0.1,
        visibility: VisibilityRule | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(probability, visibility, seed)
        require_share("share", share)
        require_share("min_inside", min_inside)
        self.share = share
        self.min_inside = min_inside

    @torch.no_grad()
    def __call__(
        self, samples: Sequence[TrainingSample], iteration: int
    ) -> tuple[list[TrainingSample], dict[str, float]]:
        """Paste; see `CopyPaste`."""
        drawn = {
            index: self.drawn([*samples[:index], *samples[index + 1 :]])
            for index in range(len(samples))
            if len(samples) > 1 and self.happens(self.probability)
        }
        may_be_copied = [
            copyable(source, samples[index].size, self.min_inside)
            for index, (source, _) in drawn.items()
        ]
        sources: list[TrainingSample | None] = [None] * len(samples)
        for (index, (source, wanted)), able in zip(
            drawn.items(), to_host(may_be_copied), strict=True
        ):
            copied = np.flatnonzero(wanted & able)
            if len(copied):
                sources[index] = in_frame(source, copied, samples[index].size)
        outcomes = put_all_in_front(samples, sources, self.visibility)
        return outcomes, {"pastes": count_objects(sources)}

    def drawn(self, others: Sequence[TrainingSample]) -> tuple[TrainingSample, np.ndarray]:
        """One of the other images, and which of its N objects are to be copied: bool (N,)."""
        source = others[draw_index(len(others), self.generator)]
        return source, draw_uniform(len(source), self.generator) < np.float32(self.share)


def copyable(sample: TrainingSample, size: tuple[int, int], min_inside: float) -> Tensor:
    """Objects with a pseudo mask of which enough is in an image of another size: bool (N,).

    Some pixel of the mask has to be inside, and at least the share `min_inside` of it.
    """
    before = mask_areas(sample.masks)
    inside = mask_areas(sample.masks[:, : size[0], : size[1]])
    return sample.valid & (inside > 0) & (inside >= min_inside * before)


def in_frame(sample: TrainingSample, chosen: np.ndarray, size: tuple[int, int]) -> TrainingSample:
    """Chosen objects, int64 (n,); image and masks cut or filled with zeros to another size.

    Boxes are left as they were.
    """
    objects = sample.objects(index_on(sample.boxes.device, chosen))
    return replace(
        objects,
        image=moved(sample.image, (0, 0), size),
        masks=moved(objects.masks, (0, 0), size),
        unsure=None,
    )
