"""What must hold in every scene, whatever the variant of the copy-paste."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from boxseg.copy_paste import TrainingSample
from boxseg.peer_copy_paste import OrdinaryCopyPaste, PeerCopyPaste
from tests.peer_copy_paste.scenes import (
    assert_same,
    check_pasted,
    check_survivors,
    copy_of,
    random_sample,
)

MIN_OVERLAP = 0.1
MIN_VISIBLE = 0.1
VARIANTS = [
    ("high-quality", "overlapped"),
    ("high-quality", "random"),
    ("random", "random"),
    ("random", "overlapped"),
]
COUNTS = [300, pytest.param(2500, marks=pytest.mark.slow)]
"""Scenes per variant: 1,200 in all, or 10,000."""


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("select", "paste"), VARIANTS)
def test_peer_copy_paste(select: str, paste: str, count: int) -> None:
    rng = np.random.default_rng(len(select) * 7 + len(paste))
    copy_paste = PeerCopyPaste(
        select=select,  # type: ignore[arg-type]
        paste=paste,  # type: ignore[arg-type]
        probability=0.9,
        warmup_iterations=0,
        min_area=12,
        min_overlap=MIN_OVERLAP,
        seed=count,
    )
    pastes = 0
    for step in range(count // 2):
        batch = [random_sample(rng), random_sample(rng)]
        originals = [copy_of(sample) for sample in batch]
        tutors = copy_paste.bank.tutors
        outcomes, statistics = copy_paste(batch, step + 1)
        assert statistics["bank_size"] == len(copy_paste.bank) <= 80
        for sample, original, outcome in zip(batch, originals, outcomes, strict=True):
            assert_same(sample, original)
            check_types(outcome)
            if outcome is sample:
                continue
            pastes += 1
            box = check_pasted(original, outcome, tutors)
            check_survivors(original, outcome, MIN_VISIBLE)
            if paste == "overlapped":
                assert overlaps_a_learner(box, original.boxes.numpy())
        assert statistics["pastes"] == sum(
            outcome is not sample for outcome, sample in zip(outcomes, batch, strict=True)
        )
    assert pastes > 0.6 * count


def overlaps_a_learner(box: np.ndarray, learners: np.ndarray) -> bool:
    overlap = np.minimum(box[2:], learners[:, 2:]) - np.maximum(box[:2], learners[:, :2])
    needed = MIN_OVERLAP * (box[2:] - box[:2])
    return bool((overlap >= needed - 1e-5).all(axis=1).any())


def check_types(sample: TrainingSample) -> None:
    types = {
        "image": torch.uint8,
        "boxes": torch.float32,
        "classes": torch.int64,
        "masks": torch.bool,
        "quality": torch.float32,
        "scores": torch.float32,
        "valid": torch.bool,
        "pasted": torch.bool,
    }
    values = {field.name: getattr(sample, field.name) for field in fields(sample)}
    assert values.pop("unsure") is None
    assert {name: value.dtype for name, value in values.items()} == types


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.slow)])
def test_ordinary_copy_paste(count: int) -> None:
    rng = np.random.default_rng(5)
    copy_paste = OrdinaryCopyPaste(probability=0.9, min_inside=0.1, seed=1)
    pastes = 0
    for step in range(count // 3):
        batch = [random_sample(rng) for _ in range(3)]
        originals = [copy_of(sample) for sample in batch]
        outcomes, statistics = copy_paste(batch, step + 1)
        for i, (sample, original, outcome) in enumerate(
            zip(batch, originals, outcomes, strict=True)
        ):
            assert_same(sample, original)
            check_types(outcome)
            if outcome is sample:
                continue
            pastes += 1
            check_survivors(original, outcome, MIN_VISIBLE)
            sources = [other for j, other in enumerate(originals) if j != i]
            for k in outcome.pasted.nonzero()[:, 0].tolist():
                check_copied(outcome, k, sources)
            front = outcome.masks[outcome.pasted].any(dim=0)
            assert torch.equal(outcome.image[:, ~front], original.image[:, ~front])
        assert statistics["pastes"] == sum(int(o.pasted.sum()) for o in outcomes)
    assert pastes > 0.5 * count


def check_copied(outcome, index: int, sources) -> None:  # type: ignore[no-untyped-def]
    """The object is one of the sources', cut to the image, at its own place."""
    height, width = outcome.size
    (source,) = [s for s in sources if (s.scores == outcome.scores[index]).any()]
    place = int((source.scores == outcome.scores[index]).nonzero()[0, 0])
    assert source.valid[place]
    h, w = min(height, source.size[0]), min(width, source.size[1])
    mask = outcome.masks[index]
    assert torch.equal(mask[:h, :w], source.masks[place, :h, :w])
    assert int(mask.sum()) == int(mask[:h, :w].sum()) >= 0.1 * int(source.masks[place].sum())
    assert torch.equal(
        outcome.image[:, :h, :w][:, mask[:h, :w]], source.image[:, :h, :w][:, mask[:h, :w]]
    )
    rows, columns = mask.nonzero(as_tuple=True)
    tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert outcome.boxes[index].tolist() == [int(v) for v in tight]
    assert outcome.quality[index] == source.quality[place]
    assert outcome.classes[index] == source.classes[place]
