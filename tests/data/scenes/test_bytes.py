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
        "train/000001.png": "2165d0ff6021dac65d1e9dd6e64fcf644caf713e",
        "similar-background/000002.png": "a8ca42ceba20cc130a41cf881b1cb79eff35b265",
        "annotations/instances_train.json": "968f81069a8567ef1fd60843602c08ac26b313c8",
    },
    "scenes-b": {
        "train/000001.png": "cbd94d3aefbddfeb2502faab5b60659f92fa8e5e",
        "similar-background/000002.png": "786982894297e064d24204871e64daccc949f314",
        "annotations/instances_train.json": "c391eea773c4cd1d705381c6b59e73a612ddf5e5",
    },
}


@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_are_pinned(root: Path, family: str) -> None:
    assert GENERATOR_VERSION == 2
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
