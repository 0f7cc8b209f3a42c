"""The copy-pastes: peer-assisted (PC), and the ordinary one that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from boxseg.box_masks import mask_areas
from boxseg.copy_paste import OBJECT_FIELDS, CopyPaste, TrainingSample
from boxseg.errors import InputError
from boxseg.peer_copy_paste.bank import Admission, AnyPseudoMask, PeerMemoryBank, draw_index
from boxseg.peer_copy_paste.occlusion import VisibilityRule, VisibleBoxes, put_in_front
from boxseg.peer_copy_paste.placement import (
    LearnerChoice,
    OverlappingPlace,
    Placement,
    RandomPlace,
    fitted_patch,
    moved,
)


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
        return float(torch.rand((), generator=self.generator)) < probability

    def state_dict(self) -> dict[str, Any]:
        """Where the random generator stands."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        self.generator.set_state(state["generator"].cpu())


def count_pasted(outcomes: Sequence[TrainingSample]) -> float:
    """Number of objects pasted into a batch."""
    return float(sum(int(outcome.pasted.sum()) for outcome in outcomes))


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
        admission: dict[str, Callable[[TrainingSample], Tensor]] = {
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
        outcomes = [self.teach(sample, self.probability * warmth) for sample in samples]
        for sample in samples:
            self.bank.add(sample)
        return outcomes, {"pastes": count_pasted(outcomes), "bank_size": float(len(self.bank))}

    def teach(self, sample: TrainingSample, probability: float) -> TrainingSample:
        """The sample with a tutor pasted, or the sample itself."""
        if not self.happens(probability):
            return sample
        labels = set(sample.classes.tolist()) if self.same_class else None
        tutor = self.bank.draw(self.generator, labels)
        if tutor is None:
            return sample
        patch = fitted_patch(tutor, sample.size, self.generator)
        if int(patch.mask.sum()) <= self.min_area:
            return sample
        candidates = torch.ones_like(sample.valid)
        if self.same_class:
            candidates = sample.classes == tutor.label
        offset = self.place(sample, candidates, patch.size, self.generator)
        if offset is None:
            return sample
        if self.single_use:
            self.bank.remove(tutor)
        return put_in_front(sample, patch.in_image(sample.size, offset, tutor), self.visibility)

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
        outcomes = [
            self.copied_into(sample, [*samples[:index], *samples[index + 1 :]])
            for index, sample in enumerate(samples)
        ]
        return outcomes, {"pastes": count_pasted(outcomes)}

    def copied_into(
        self, sample: TrainingSample, others: Sequence[TrainingSample]
    ) -> TrainingSample:
        """The sample with objects of another one in front, or the sample itself."""
        if not others or not self.happens(self.probability):
            return sample
        source = others[draw_index(len(others), self.generator)]
        drawn = torch.rand(len(source), generator=self.generator) < self.share
        copied = in_frame(source, sample.size, self.min_inside)
        copied = copied.objects(drawn.to(copied.valid.device) & copied.valid)
        return put_in_front(sample, copied, self.visibility) if len(copied) else sample


def in_frame(sample: TrainingSample, size: tuple[int, int], min_inside: float) -> TrainingSample:
    """Image and masks cut or filled with zeros to another size; boxes are left as they were.

    Objects are valid that were so, of which something is inside and at least `min_inside`.
    """
    masks = moved(sample.masks, (0, 0), size)
    before = mask_areas(sample.masks)
    inside = mask_areas(masks)
    values = {name: getattr(sample, name) for name in OBJECT_FIELDS}
    values["masks"] = masks
    values["valid"] = sample.valid & (inside > 0) & (inside >= min_inside * before)
    return TrainingSample(image=moved(sample.image, (0, 0), size), **values)
