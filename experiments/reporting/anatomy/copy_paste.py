"""Peer-assisted copy-paste at work: a tutor in its image, a learner before and after."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from boxseg.errors import InputError
from boxseg.peer_copy_paste import Admission, PeerCopyPaste
from experiments.reporting.anatomy.trained import TrainedTeacher


@dataclass(frozen=True)
class LabelledImage:
    """An image of the student's with its N objects.

    Attributes:
        pixels: uint8 (H, W, 3), RGB.
        boxes: float32 (N, 4), XYXY in pixels.
        masks: bool (N, H, W), pseudo masks; empty where there is none.
        qualities: float32 (N,), of the pseudo masks, in [0, 1].
        class_names: of the objects.
        pasted: bool (N,), copied from another image.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    qualities: np.ndarray
    class_names: tuple[str, ...]
    pasted: np.ndarray


@dataclass(frozen=True)
class PasteAnatomy:
    """A paste, as in figure 4 of the paper.

    Attributes:
        tutor_image: where the tutor comes from, an image's place among the records.
        tutor: which of its objects it is, from 0.
        learner_image: where it is pasted, likewise.
        source: the tutor's image.
        before, after: the learner's image; the tutor is the last object of the latter.
    """

    tutor_image: int
    tutor: int
    learner_image: int
    source: LabelledImage
    before: LabelledImage
    after: LabelledImage


@torch.no_grad()
def paste_anatomy(
    trained: TrainedTeacher,
    places: Sequence[int],
    seed: int = 0,
    number: int = 0,
    min_quality: float | None = None,
    min_score: float | None = None,
) -> PasteAnatomy:
    """Let PC choose a tutor among some training images and paste it into another of them.

    The tutor is the object of highest pseudo-mask quality that PC's own rule admits to its bank (or
    the second, third, ... by `number`); the learner's image is the first of the others, in the
    order given, with a place for it. In training the tutor is drawn at random, and an image is
    pasted into with some probability only.

    Args:
        trained: whose copy-paste is PC.
        places: of images among the records, two or more.
        seed: of where the tutor is pasted.
        number: 0 for the best tutor, 1 for the second, ...
        min_quality, min_score: that a tutor has to exceed here instead of the run's own thresholds;
            after a short training no object may pass those.

    Raises:
        InputError: the run's copy-paste is another, no such tutor is admitted, or no image has a
            place for it.
    """
    if not isinstance(trained.model.copy_paste, PeerCopyPaste):
        raise InputError(
            "the run has no peer-assisted copy-paste; give a run with copy_paste=peer."
        )
    paste = copy.deepcopy(trained.model.copy_paste)
    admission = _admission(paste, min_quality, min_score)
    paste.bank.admission = admission
    samples = dict(zip(places, trained.samples(places), strict=True))
    source, tutor = _tutor(admission, samples, number)
    paste.bank.load_state_dict({"tutors": []})
    paste.bank.add(samples[source].objects(torch.tensor([tutor])))
    paste.generator.manual_seed(seed)
    for place, sample in samples.items():
        if place == source:
            continue
        after = paste.teach(sample, 1.0)
        if after is not sample:
            return PasteAnatomy(
                tutor_image=source,
                tutor=tutor,
                learner_image=place,
                source=_labelled(trained, samples[source]),
                before=_labelled(trained, sample),
                after=_labelled(trained, after),
            )
    raise InputError(
        f"none of the {len(samples)} training images has a place for the tutor; give more of them."
    )


def _admission(
    paste: PeerCopyPaste, min_quality: float | None, min_score: float | None
) -> Callable[[TrainingSample], Tensor]:
    """The run's own rule, with other thresholds where they are given."""
    given = {"min_quality": min_quality, "min_score": min_score}
    changed = {name: value for name, value in given.items() if value is not None}
    admission = paste.bank.admission
    if not changed:
        return admission
    if not isinstance(admission, Admission):
        raise InputError(
            "the run's copy-paste chooses tutors at random, without thresholds to be changed; give "
            "a run with copy_paste=peer, or leave the thresholds out."
        )
    return replace(admission, **changed)


def _tutor(
    admission: Callable[[TrainingSample], Tensor], samples: dict[int, TrainingSample], number: int
) -> tuple[int, int]:
    """Image and number of the admitted object of highest quality, or of a later rank."""
    admitted = [
        (-float(sample.quality[index]), place, index)
        for place, sample in samples.items()
        for index in admission(sample).nonzero()[:, 0].tolist()
    ]
    if not 0 <= number < len(admitted):
        raise InputError(
            f"of {len(samples)} training images {len(admitted)} objects are good enough for a "
            f"tutor, so there is none at rank {number}; give more images, or a run trained longer."
        )
    _, place, index = sorted(admitted)[number]
    return place, index


def _labelled(trained: TrainedTeacher, sample: TrainingSample) -> LabelledImage:
    return LabelledImage(
        pixels=trained.rgb(sample.image),
        boxes=sample.boxes.cpu().numpy(),
        masks=sample.masks.cpu().numpy(),
        qualities=sample.quality.float().cpu().numpy(),
        class_names=tuple(trained.names[label] for label in sample.classes.tolist()),
        pasted=sample.pasted.cpu().numpy(),
    )
