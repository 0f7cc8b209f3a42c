"""Generating on disk: complete, interrupted, twice at once, refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boxseg.data.scenes import scenes_dataset
from boxseg.data.scenes.png import encode_png
from boxseg.data.scenes.splits import scene
from boxseg.errors import InputError
from tests.data.scenes.on_disk import SIZE, folder_of, listing, small


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
