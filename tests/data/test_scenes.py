"""Scenes: the same bytes everywhere, exact masks, situations that are what they are called."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from scipy.ndimage import binary_dilation
from scipy.stats import chi2_contingency

from boxseg.data.dataset import Dataset, Split
from boxseg.data.scenes import GENERATOR_VERSION, scenes_dataset
from boxseg.data.scenes.colours import from_hsv
from boxseg.data.scenes.contact_sheet import contact_sheet
from boxseg.data.scenes.fixed_point import EXTENT, SIDE, pixel_centres, sine
from boxseg.data.scenes.layout import PlacedObject, draw_layout
from boxseg.data.scenes.png import encode_png, png_bytes
from boxseg.data.scenes.scene import Scene
from boxseg.data.scenes.shapes import SCENES_B_CATEGORIES, SCENES_CATEGORIES, in_polygon
from boxseg.data.scenes.splits import scene
from boxseg.data.scenes.stream import RandomStream
from boxseg.data.scenes.style import FAMILIES, SPLIT_STYLES, SceneStyle
from boxseg.errors import InputError

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
SIZE = 64
SAMPLE = 60  # scenes of each split whose statistics are looked at


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def small(root: Path, family: str, train_images: int = 4) -> Dataset:
    return scenes_dataset(root, family, SIZE, train_images, 2, 2, seed=7)


def folder_of(split: Split) -> Path:
    return split.images.parent


def listing(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- The same bytes everywhere ---------------------------------------------------------------


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


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25, deadline=None)
def test_png_gives_the_pixels_back(shape: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)
    written = encode_png(image)
    assert len(written) == png_bytes(*shape)
    with Image.open(io.BytesIO(written)) as opened:
        assert opened.mode == "RGB"
        assert np.array_equal(np.asarray(opened), image)


def test_png_of_several_blocks() -> None:
    # 200 rows of 1 + 600 bytes are 120,200: two stored blocks, of 65,535 and 54,665 bytes.
    image = RandomStream("png").octets(200 * 200 * 3).reshape(200, 200, 3).astype(np.uint8)
    written = encode_png(image)
    assert len(written) == png_bytes(200, 200) == 8 + 3 * 12 + 13 + 2 + 2 * 5 + 120_200 + 4
    with Image.open(io.BytesIO(written)) as opened:
        assert np.array_equal(np.asarray(opened), image)


# --- Arithmetic ------------------------------------------------------------------------------


def test_sines_in_4096ths() -> None:
    assert [sine(degrees) for degrees in (0, 30, 90, 180, 210, 270)] == [
        0,
        2048,  # 1/2
        4096,
        0,
        -2048,
        -4096,
    ]


def test_pixel_centres_reach_beyond_the_image() -> None:
    # A pixel of a 64-pixel image is 65536 / 64 = 1024 units wide, its centre 512 units in.
    assert pixel_centres(-1, 3, 64).tolist() == [-512, 512, 1536, 2560]


def test_hsv_corners() -> None:
    assert from_hsv(0, 255, 255) == (255, 0, 0)
    assert from_hsv(512, 255, 255) == (0, 255, 0)
    assert from_hsv(1024, 255, 255) == (0, 0, 255)
    assert from_hsv(700, 0, 90) == (90, 90, 90)


@given(bound=st.integers(1, 2**40), key=st.text(max_size=8))
@settings(max_examples=50, deadline=None)
def test_below_stays_below(bound: int, key: str) -> None:
    stream = RandomStream(key)
    assert all(0 <= stream.below(bound) < bound for _ in range(20))


def test_weights_are_frequencies() -> None:
    stream = RandomStream("weights")
    draws = [stream.weighted((("often", 3), ("never", 0), ("seldom", 1))) for _ in range(2000)]
    assert draws.count("never") == 0
    # 1500 expected, standard deviation sqrt(2000 * 3/4 * 1/4) = 19.4
    assert abs(draws.count("often") - 1500) < 80


def test_octets_are_uniform() -> None:
    counts = np.bincount(RandomStream("octets").octets(256_000), minlength=256)
    # 1000 expected of each, standard deviation 31.6
    assert counts.min() > 850
    assert counts.max() < 1150


# --- Shapes ----------------------------------------------------------------------------------


def test_polygon_by_hand() -> None:
    # The right triangle (0,0) (4,0) (0,4): points with u + v < 4 are inside.
    u, v = np.meshgrid(np.arange(-1, 6, dtype=np.int32), np.arange(-1, 6, dtype=np.int32))
    inside = in_polygon(u, v, [(0, 0), (4, 0), (0, 4)])
    expected = {(a, b) for a in range(4) for b in range(4) if a + b < 4}
    assert {(int(a), int(b)) for a, b in zip(u[inside], v[inside], strict=True)} == expected


@pytest.mark.parametrize(
    ("name", "trait", "share"),
    [
        ("disc", 0, math.pi / 4),
        ("triangle", 40, 1 / 2),  # leaning does not change the area
        ("box", 0, 1.0),
        ("ring", 0, math.pi / 4 * (1 - (530 / 1024) ** 2)),
        # Arms 2 * 270 of 2048 wide: two of them less the square they share.
        ("cross", 0, 2 * (540 / 2048) - (540 / 2048) ** 2),
        ("hexagon", 0, 3 * math.sqrt(3) / 2 / 4),
        ("frame", 0, 1 - (520 / 1024) ** 2),
        # Shaft 1024 by 540 and head of height 1024 over a base of 2048, in a square of 2048.
        ("arrow", 0, (1024 * 540 + 1024 * 2048 / 2) / 2048**2),
    ],
)
def test_area_of_a_shape(name: str, trait: int, share: float) -> None:
    category = next(c for c in (*SCENES_CATEGORIES, *SCENES_B_CATEGORIES) if c.name == name)
    ticks = np.arange(-EXTENT, EXTENT, 4, dtype=np.int32) + 2
    u, v = np.meshgrid(ticks, ticks)
    assert np.mean(category.covers(u, v, trait)) == pytest.approx(share, abs=0.006)


# --- Annotations -----------------------------------------------------------------------------


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
                assert annotation["area"] == mask.sum() >= 0.004 * SIZE * SIZE
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


# --- What scenes are like --------------------------------------------------------------------


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
    lengths = np.array([max(p.box()[2:]) / SIZE for drawn in scenes for p in drawn.objects])
    assert np.mean(lengths < 0.34) > 0.15
    assert np.mean((lengths >= 0.34) & (lengths < 0.46)) > 0.2
    assert np.mean(lengths >= 0.46) > 0.2
    assert {len(drawn.objects) for drawn in scenes} == {1, 2, 3}
    categories = np.bincount([p.category for drawn in scenes for p in drawn.objects])
    assert len(categories) == len(FAMILIES[family].categories)
    assert categories.min() > 0.5 * categories.mean()


# --- On disk ---------------------------------------------------------------------------------


def test_complete_data_is_left_alone(tmp_path: Path) -> None:
    first = small(tmp_path, "scenes").split("train")
    first.annotations.write_text("{}")
    stamp = (first.images / "000001.png").stat().st_mtime_ns
    small(tmp_path, "scenes")
    assert first.annotations.read_text() == "{}"
    assert (first.images / "000001.png").stat().st_mtime_ns == stamp


def test_incomplete_data_is_completed(tmp_path: Path) -> None:
    dataset = small(tmp_path, "scenes")
    folder = folder_of(dataset.split("train"))
    whole = listing(folder)
    # As crashes may leave it: no annotations yet, an image missing, an image cut short.
    dataset.split("train").annotations.unlink()
    (dataset.split("val").images / "000002.png").unlink()
    cut = dataset.split("tune").images / "000001.png"
    cut.write_bytes(cut.read_bytes()[:100])
    small(tmp_path, "scenes")
    assert listing(folder) == whole


def test_abandoned_folders_go_and_busy_ones_stay(tmp_path: Path) -> None:
    folder = folder_of(small(tmp_path, "scenes").split("train"))
    abandoned, busy = folder / ".train.0.tmp", folder / ".train.1.tmp"
    abandoned.mkdir()
    busy.mkdir()
    yesterday = time.time() - 86_400
    os.utime(abandoned, (yesterday, yesterday))
    (folder / "annotations" / "instances_train.json").unlink()
    small(tmp_path, "scenes")
    assert not abandoned.exists()
    assert busy.exists()


def start_generating(root: Path) -> subprocess.Popen[bytes]:
    code = (
        "import sys, pathlib; from boxseg.data.scenes import scenes_dataset; "
        f"scenes_dataset(pathlib.Path(sys.argv[1]), 'scenes', {SIZE}, 60, 2, 2, seed=7)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", code, str(root)], env=environment)


def test_killed_half_way_then_started_twice_at_once(tmp_path: Path) -> None:
    killed = start_generating(tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*/.train.*.tmp/000005.png")) and time.monotonic() < deadline:
        time.sleep(0.002)
    killed.kill()
    killed.wait()
    assert list(tmp_path.glob("*/.train.*.tmp/000005.png"))
    assert not list(tmp_path.glob("*/train"))
    assert not list(tmp_path.glob("*/annotations/*"))

    together = [start_generating(tmp_path) for _ in range(2)]
    assert [process.wait(timeout=60) for process in together] == [0, 0]
    train = small(tmp_path, "scenes", train_images=60).split("train")
    assert len(list(train.images.iterdir())) == 60
    last = encode_png(scene("scenes", 7, "train", 60, SIZE).image)
    assert (train.images / "000060.png").read_bytes() == last


@pytest.mark.parametrize(
    ("family", "size", "images", "named"),
    [
        ("scenes-c", 64, 1, "scenes-c"),
        ("scenes", 47, 1, "47"),
        ("scenes", 513, 1, "513"),
        ("scenes", 64, 0, "train"),
    ],
)
def test_bad_input(tmp_path: Path, family: str, size: int, images: int, named: str) -> None:
    with pytest.raises(InputError, match=named):
        scenes_dataset(tmp_path, family, size, images, 1, 1, seed=0)
    assert not list(tmp_path.iterdir())


def test_root_that_cannot_be_written(tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("a file, not a folder")
    with pytest.raises(InputError, match="occupied"):
        small(occupied, "scenes")


# --- Contact sheet ---------------------------------------------------------------------------


def test_contact_sheet_shows_plain_and_outlined(root: Path) -> None:
    split = small(root, "scenes").split("train")
    sheet = contact_sheet(split, count=3, columns=2)
    assert sheet.tobytes() == contact_sheet(split, count=3, columns=2).tobytes()
    pixels = np.asarray(sheet)
    with Image.open(split.images / "000001.png") as opened:
        plain = np.asarray(opened).repeat(3, axis=0).repeat(3, axis=1)  # 64 px to 192
    assert np.array_equal(pixels[6:198, 6:198], plain)
    outlined = pixels[6:198, 201:393]
    content = json.loads(split.annotations.read_text())
    drawn = np.zeros((SIZE, SIZE), dtype=np.bool_)
    for annotation in content["annotations"]:
        if annotation["image_id"] == 1:
            drawn |= coco_mask.decode(annotation["segmentation"]).astype(np.bool_)
    changed = (outlined != plain).any(axis=2)
    assert changed.any()
    assert not (changed & ~drawn.repeat(3, axis=0).repeat(3, axis=1)).any()
