"""Random scenes, and what must hold after a paste, worked out pixel by pixel."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch

from boxseg.copy_paste import TrainingSample
from boxseg.peer_copy_paste import Tutor


def sample_with(
    boxes: list[list[float]],
    size: tuple[int, int],
    quality: list[float] | None = None,
    scores: list[float] | None = None,
    classes: list[int] | None = None,
    valid: list[bool] | None = None,
    image_value: int = 0,
) -> TrainingSample:
    """A sample whose masks fill their boxes, which are whole numbers."""
    count = len(boxes)
    has_mask = torch.tensor(valid if valid is not None else [True] * count, dtype=torch.bool)
    masks = torch.zeros(count, *size, dtype=torch.bool)
    for mask, (x0, y0, x1, y1), filled in zip(masks, boxes, has_mask, strict=True):
        mask[int(y0) : int(y1), int(x0) : int(x1)] = filled
    return TrainingSample(
        image=torch.full((3, *size), image_value, dtype=torch.uint8),
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        classes=torch.tensor(classes if classes is not None else [0] * count, dtype=torch.int64),
        masks=masks,
        quality=torch.tensor(quality if quality is not None else [0.9] * count) * has_mask,
        scores=torch.tensor(scores if scores is not None else [0.9] * count) * has_mask,
        valid=has_mask,
        pasted=torch.zeros(count, dtype=torch.bool),
    )


def random_sample(rng: np.random.Generator, classes: int = 4) -> TrainingSample:
    """An image of noise, 24 to 64 px a side, with up to 6 objects.

    Masks are ellipses with noise in their boxes; a quarter of the objects has none. Scores are
    unique, so objects can be told apart by them; those of objects without a mask are negative.
    """
    height, width = (int(side) for side in rng.integers(24, 65, 2))
    count = int(rng.integers(0, 7))
    sides = rng.uniform(1.5, [width * 0.9, height * 0.9], (count, 2))
    starts = rng.uniform(0, 1, (count, 2)) * ([width, height] - sides)
    if rng.random() < 0.3:
        starts, sides = starts.round(), np.maximum(sides.round(), 1)
    boxes = np.concatenate([starts, np.minimum(starts + sides, [width, height])], axis=1)
    boxes = boxes.astype(np.float32)
    y, x = np.mgrid[:height, :width] + 0.5
    center, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    radius = ((x - center[:, 0, None, None]) / half[:, 0, None, None]) ** 2 + (
        (y - center[:, 1, None, None]) / half[:, 1, None, None]
    ) ** 2
    masks = (radius <= 1) & (rng.random((count, height, width)) < 0.95)
    valid = (rng.random(count) < 0.75) & masks.any(axis=(1, 2))
    scores = np.where(valid, 1, -1) * rng.uniform(0.3, 1, count)
    return TrainingSample(
        image=torch.from_numpy(rng.integers(0, 256, (3, height, width), dtype=np.uint8)),
        boxes=torch.from_numpy(boxes),
        classes=torch.from_numpy(rng.integers(0, classes, count)),
        masks=torch.from_numpy(masks & valid[:, None, None]),
        quality=torch.from_numpy((rng.uniform(0.3, 1, count) * valid).astype(np.float32)),
        scores=torch.from_numpy(scores.astype(np.float32)),
        valid=torch.from_numpy(valid),
        pasted=torch.zeros(count, dtype=torch.bool),
    )


def copy_of(sample: TrainingSample) -> TrainingSample:
    values = {f.name: getattr(sample, f.name) for f in fields(sample)}
    return TrainingSample(**{n: None if v is None else v.clone() for n, v in values.items()})


def assert_same(one: TrainingSample, other: TrainingSample) -> None:
    for field in fields(one):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        assert ours is theirs or torch.equal(ours, theirs), field.name


def visible_part(
    box: np.ndarray, mask: np.ndarray, front: np.ndarray
) -> tuple[np.ndarray | None, np.float32]:
    """Tight box of what is visible of an object, None if all is covered, and the visible share.

    A pixel is the unit square from its index to the next; the area is that of the pixels that the
    box meets. A side is where the uncovered area ends or, where that of the mask ends earlier than
    it did, as far from the mask's end as it was.
    """
    height, width = front.shape
    y, x = np.mgrid[:height, :width]
    meets = (x + 1 > box[0]) & (x < box[2]) & (y + 1 > box[1]) & (y < box[3])
    free = meets & ~front
    hidden = np.float32((meets & front).sum()) / np.float32(meets.sum())
    if mask.any():
        hidden = max(hidden, np.float32((mask & front).sum()) / np.float32(mask.sum()))
    share = np.float32(1) - hidden
    if not free.any():
        return None, share
    rows, columns = np.nonzero(free.any(axis=1))[0], np.nonzero(free.any(axis=0))[0]
    tight = np.array(
        [
            max(box[0], columns[0]),
            max(box[1], rows[0]),
            min(box[2], columns[-1] + 1),
            min(box[3], rows[-1] + 1),
        ],
        dtype=np.float32,
    )
    if not (mask & ~front).any():
        return tight, share
    before, after = extent_of(mask), extent_of(mask & ~front)
    for side in range(4):
        outwards = -1 if side < 2 else 1
        distance = max(outwards * (box[side] - before[side]), np.float32(0))
        end = after[side] + outwards * distance
        if after[side] != before[side] and outwards * (tight[side] - end) > 0:
            tight[side] = end
    return tight, share


def extent_of(mask: np.ndarray) -> np.ndarray:
    """Tight box of a mask that is not empty."""
    rows, columns = np.nonzero(mask)
    return np.array(
        [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=np.float32
    )


def check_survivors(before: TrainingSample, after: TrainingSample, min_visible: float) -> None:
    """Objects below what was pasted: masks cut, boxes tight, the rest as it was, none lost."""
    front = after.masks[after.pasted].any(dim=0).numpy()
    places = {float(score): i for i, score in enumerate(after.scores) if not after.pasted[i]}
    for i in range(len(before)):
        box, mask = before.boxes[i].numpy(), before.masks[i].numpy()
        tight, share = visible_part(box, mask, front)
        place = places.pop(float(before.scores[i]), None)
        if place is None:
            assert tight is None or share < np.float32(min_visible) or share == 0
            continue
        assert tight is not None and share >= np.float32(min_visible)
        assert np.array_equal(after.boxes[place].numpy(), tight)
        assert np.array_equal(after.masks[place].numpy(), mask & ~front)
        for name in ("classes", "quality", "valid"):
            assert getattr(after, name)[place] == getattr(before, name)[i]
        assert not after.valid[place] or after.masks[place].any()
    assert not places


def check_pasted(
    before: TrainingSample, after: TrainingSample, tutors: tuple[Tutor, ...]
) -> np.ndarray:
    """One object pasted from one of the tutors; returns its box."""
    assert int(after.pasted.sum()) == 1
    assert after.pasted[-1]
    height, width = before.size
    mask = after.masks[-1].numpy()
    x0, y0, x1, y1 = (int(v) for v in after.boxes[-1])
    rows, columns = np.nonzero(mask)
    assert (x0, y0, x1, y1) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height

    (tutor,) = [t for t in tutors if np.float32(t.score) == after.scores[-1].numpy()]
    assert after.classes[-1] == tutor.label
    assert np.float32(tutor.quality) == after.quality[-1].numpy()
    assert after.valid[-1]

    # The tutor itself or, where it does not fit, some window of it.
    pixels, bits = tutor.pixels.numpy(), tutor.mask().numpy()
    shown = mask[y0:y1, x0:x1]
    at = after.image.numpy()[:, y0:y1, x0:x1]
    down, right = bits.shape[0] - shown.shape[0], bits.shape[1] - shown.shape[1]
    if bits.shape[0] <= height and bits.shape[1] <= width:
        assert (down, right) == (0, 0)
    assert any(
        np.array_equal(bits[j : j + y1 - y0, i : i + x1 - x0], shown)
        and np.array_equal(pixels[:, j : j + y1 - y0, i : i + x1 - x0][:, shown], at[:, shown])
        for j in range(down + 1)
        for i in range(right + 1)
    )
    assert np.array_equal(after.image.numpy()[:, ~mask], before.image.numpy()[:, ~mask])
    return after.boxes[-1].numpy()
