"""Annotations that agree with the pixels."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from boxseg.data.scenes import GENERATOR_VERSION
from boxseg.data.scenes.fixed_point import SIDE
from boxseg.data.scenes.layout import draw_layout
from boxseg.data.scenes.shapes import SCENES_CATEGORIES
from boxseg.data.scenes.splits import scene
from boxseg.data.scenes.stream import RandomStream
from boxseg.data.scenes.style import FAMILIES, SPLIT_STYLES, SceneStyle
from tests.data.scenes.on_disk import SIZE, small


@pytest.mark.parametrize("family", FAMILIES)
def test_annotations_agree_with_each_other(root: Path, family: str) -> None:
    dataset = small(root, family)
    assert (dataset.name, dataset.train, dataset.evaluate) == (family, "train", "val")
    assert set(dataset.splits) == set(SPLIT_STYLES)
    for name, split in dataset.splits.items():
        coco = COCO(str(split.annotations))
        assert len(coco.imgs) == (4 if name == "train" else 2)
        assert sorted(coco.cats) == list(range(1, len(FAMILIES[family].categories) + 1))
        for image_id, image in coco.imgs.items():
            with Image.open(split.images / image["file_name"]) as opened:
                assert opened.size == (image["width"], image["height"]) == (SIZE, SIZE)
            annotations = coco.imgToAnns[image_id]
            style = SPLIT_STYLES[name]
            assert style.min_objects <= len(annotations) <= style.max_objects
            covered = np.zeros((SIZE, SIZE), dtype=np.int64)
            for annotation in annotations:
                mask = coco_mask.decode(annotation["segmentation"])
                covered += mask
                rows, columns = np.nonzero(mask)
                x, y = columns.min(), rows.min()
                assert annotation["bbox"] == [
                    x,
                    y,
                    columns.max() - x + 1,
                    rows.max() - y + 1,
                ]
                assert annotation["area"] == mask.sum() >= 0.002 * SIZE * SIZE
                assert annotation["iscrowd"] == 0
            assert covered.max() == 1  # modal: a pixel belongs to one object


def test_json_says_what_it_is(root: Path) -> None:
    content = json.loads(small(root, "scenes").split("tune").annotations.read_text())
    info = content["info"]
    assert (info["family"], info["split"], info["image_size"]) == ("scenes", "tune", SIZE)
    assert (info["version"], info["seed"]) == (str(GENERATOR_VERSION), 7)
    assert content["licenses"] == []


def test_objects_are_where_their_masks_say() -> None:
    # With every object standing out and noise far below the contrast, the pixels just inside a
    # mask differ from those just outside much more than pixels two columns away elsewhere do.
    inside_out, elsewhere = [], []
    for number in range(1, 21):
        drawn = scene("scenes", 3, "val", number, 96)
        owner = np.full((96, 96), -1)
        for index, placed in enumerate(drawn.objects):
            owner[placed.window][placed.visible] = index
        step = np.abs(drawn.image[:, 2:].astype(int) - drawn.image[:, :-2]).mean(axis=2)
        across = owner[:, 2:] != owner[:, :-2]
        inside_out.append(step[across])
        elsewhere.append(step[~across])
    assert np.median(np.concatenate(inside_out)) > 4 * np.median(np.concatenate(elsewhere))


@pytest.mark.parametrize("least", [30, 100])
def test_enough_of_each_object_shows(least: int) -> None:
    style = replace(SceneStyle(), min_visible=least)
    discs = (next(c for c in SCENES_CATEGORIES if c.name == "disc"),)
    shares = []
    for number in range(20):
        for placed in draw_layout(RandomStream(f"layout {number}"), discs, style, 128):
            whole = math.pi * placed.pose.half_length * placed.pose.half_breadth / (SIDE / 128) ** 2
            shares.append(np.count_nonzero(placed.visible) / whole)
    # An ellipse 15 pixels long drawn in pixels is off by a few per cent.
    assert min(shares) > least / 100 - 0.05
    assert max(shares) < 1.05
    assert (min(shares) < 0.6) == (least == 30)


@pytest.mark.parametrize("size", [48, 113, 512])
def test_any_size(size: int) -> None:
    drawn = scene("scenes", 0, "train", 1, size)
    assert drawn.image.shape == (size, size, 3)
    assert len(drawn.objects) >= SPLIT_STYLES["train"].min_objects
