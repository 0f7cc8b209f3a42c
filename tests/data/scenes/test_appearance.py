"""What scenes are like: contrasts, overlaps, sizes, colours."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from pycocotools import mask as coco_mask
from scipy.ndimage import binary_dilation
from scipy.stats import chi2_contingency

from boxseg.data.scenes.layout import PlacedObject
from boxseg.data.scenes.scene import Scene
from boxseg.data.scenes.splits import scene
from boxseg.data.scenes.style import FAMILIES
from tests.data.scenes.on_disk import SIZE

SAMPLE = 60  # scenes of each split whose statistics are looked at


def scenes_of(family: str, split: str, count: int = SAMPLE) -> list[Scene]:
    return [scene(family, 0, split, number, SIZE) for number in range(1, count + 1)]


def full_mask(placed: PlacedObject) -> npt.NDArray[np.bool_]:
    mask = np.zeros((SIZE, SIZE), dtype=np.bool_)
    mask[placed.window] = placed.visible
    return mask


def colour_steps(scenes: list[Scene]) -> list[float]:
    """Distance of each object's mean colour from the mean of the background around it."""
    steps = []
    for drawn in scenes:
        masks = [full_mask(placed) for placed in drawn.objects]
        background = ~np.any(masks, axis=0)
        for mask in masks:
            ring = binary_dilation(mask, iterations=4) & background
            ring &= ~binary_dilation(mask, iterations=1)
            if ring.any():
                step = drawn.image[mask].mean(axis=0) - drawn.image[ring].mean(axis=0)
                steps.append(float(np.linalg.norm(step)))
    return steps


def strong_overlaps(drawn: Scene) -> tuple[int, int]:
    """Pairs with box IoU above 0.2: of one class, of two."""
    pairs = {True: 0, False: 0}
    for first, second in itertools.combinations(drawn.objects, 2):
        iou = coco_mask.iou([list(first.box())], [list(second.box())], [0])[0, 0]
        if iou > 0.2:
            pairs[first.category == second.category] += 1
    return pairs[True], pairs[False]


@pytest.mark.parametrize("family", FAMILIES)
def test_similar_background_is_similar(family: str) -> None:
    ordinary = np.median(colour_steps(scenes_of(family, "val")))
    close = np.median(colour_steps(scenes_of(family, "similar-background")))
    assert close < 0.55 * ordinary
    assert close > 15  # and yet there is something to see


@pytest.mark.parametrize("family", FAMILIES)
def test_overlap_splits_overlap(family: str) -> None:
    ordinary = [strong_overlaps(drawn) for drawn in scenes_of(family, "val")]
    between = [strong_overlaps(drawn) for drawn in scenes_of(family, "overlap-inter-class")]
    within = [strong_overlaps(drawn) for drawn in scenes_of(family, "overlap-intra-class")]
    assert all(different >= 1 and same == 0 for same, different in between)
    assert all(same >= 1 for same, _ in within)
    assert sum(same for same, _ in within) > 3 * sum(different for _, different in within)
    assert np.mean([same > 0 for same, _ in ordinary]) < 0.2
    assert np.mean([different > 0 for _, different in ordinary]) < 0.5


def test_class_says_nothing_of_colour() -> None:
    classes = len(FAMILIES["scenes"].categories)
    by_channel = np.zeros((classes, 3), dtype=np.int64)
    by_brightness = np.zeros((classes, 2), dtype=np.int64)
    for split in ("train", "val", "tune"):
        for drawn in scenes_of("scenes", split, 2 * SAMPLE):
            for placed in drawn.objects:
                colour = drawn.image[placed.window][placed.visible].mean(axis=0)
                by_channel[placed.category, int(colour.argmax())] += 1
                by_brightness[placed.category, int(colour.mean() > 120)] += 1
    assert by_channel.sum() > 600
    assert chi2_contingency(by_channel).pvalue > 0.01
    assert chi2_contingency(by_brightness).pvalue > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_classes_and_counts_vary(family: str) -> None:
    scenes = scenes_of(family, "train")
    # An image stands for a crop of 320 COCO pixels, in which small is below 32 x 32 of them.
    sides = np.sqrt([p.visible.sum() for drawn in scenes for p in drawn.objects]) * 320 / SIZE
    assert np.mean(sides < 32) > 0.25
    assert np.mean((sides >= 32) & (sides <= 96)) > 0.25
    assert np.mean(sides > 96) > 0.1
    assert {len(drawn.objects) for drawn in scenes} == {3, 4, 5, 6, 7}
    categories = np.bincount([p.category for drawn in scenes for p in drawn.objects])
    assert len(categories) == len(FAMILIES[family].categories)
    assert categories.min() > 0.5 * categories.mean()
