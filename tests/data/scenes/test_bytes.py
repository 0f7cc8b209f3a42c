"""The same bytes for the same seed, everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boxseg.data.scenes import GENERATOR_VERSION
from boxseg.data.scenes.splits import scene
from boxseg.data.scenes.stream import RandomStream
from boxseg.data.scenes.style import FAMILIES
from tests.data.scenes.on_disk import folder_of, listing, small

# The first 40 digits of SHA-256. A change of these is a change of the data: raise
# GENERATOR_VERSION with it.
PINNED = {
    "scenes": {
        "train/000001.png": "2e1fd66bf26399d8971d6ccebc356ec5100310c0",
        "similar-background/000002.png": "2f1d5bbe82b94391822e99afdf785598c98ddeb2",
        "annotations/instances_train.json": "5d4166fc2b0ae8b92dfee9ca285fb27962bf83fe",
    },
    "scenes-b": {
        "train/000001.png": "aba43166451ce51f89d9fd057f6c42cc14597594",
        "similar-background/000002.png": "42c00f010172cdfa0b16d9a9966b73baca0bed58",
        "annotations/instances_train.json": "b39e02532b02a9e03ead6b62d1f295ccc174cbd6",
    },
}


@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_are_pinned(root: Path, family: str) -> None:
    assert GENERATOR_VERSION == 1
    folder = folder_of(small(root, family).split("train"))
    found = listing(folder)
    assert {name: found[name][:40] for name in PINNED[family]} == PINNED[family]


def test_stream_is_pinned() -> None:
    stream = RandomStream("key")
    assert [stream.below(1000) for _ in range(5)] == [871, 181, 785, 680, 641]
    assert stream.octets(11).tolist() == [199, 187, 222, 65, 84, 203, 174, 109, 167, 13, 171]


def test_scene_depends_on_every_part_of_its_name() -> None:
    def digest(family: str, seed: int, split: str, number: int) -> bytes:
        return scene(family, seed, split, number, 48).image.tobytes()

    digests = {
        digest("scenes", 0, "train", 1),
        digest("scenes-b", 0, "train", 1),
        digest("scenes", 1, "train", 1),
        digest("scenes", 0, "val", 1),
        digest("scenes", 0, "tune", 1),
        digest("scenes", 0, "train", 2),
    }
    assert len(digests) == 6


def test_longer_split_begins_with_the_shorter(root: Path) -> None:
    shorter, longer = small(root, "scenes"), small(root, "scenes", train_images=6)
    assert shorter.split("train").images != longer.split("train").images
    images = listing(shorter.split("train").images)
    longer_images = listing(longer.split("train").images)
    assert len(longer_images) == 6
    assert images == {name: longer_images[name] for name in images}
    some = json.loads(shorter.split("train").annotations.read_text())["annotations"]
    more = json.loads(longer.split("train").annotations.read_text())["annotations"]
    assert more[: len(some)] == some
    assert len(more) > len(some)
