"""`boxseg annotate` killed again and again, and on photographs of 20 megapixels."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boxseg.data.dataset import Dataset
from boxseg.export import FORMATS
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

IMAGES, BOXES = 20, 50
FORMS = [word for one in FORMATS for word in ("--format", one)]
LIMIT = 3_000_000
"""Kilobytes of a process that makes masks for large photographs."""

# Not `getrusage`, whose peak a process has from the one that started it.
MEASURED = """
import sys
from pathlib import Path
from experiments.checkpoints import learned_labeller
from experiments.cli import main
learned_labeller.LEAST_ITERATIONS = 3
code = main(sys.argv[1:])
(line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
print(line.split()[1])
sys.exit(code)
"""


def boxes(width: int, height: int, count: int, seed: int) -> list[list[float]]:
    """Boxes anywhere in an image, of 5 to 60 % of its sides; the first is the whole image."""
    rng = np.random.default_rng(seed)
    extents = rng.uniform(0.05, 0.6, (count, 2)) * (width, height)
    corners = rng.uniform(0, 1, (count, 2)) * ((width, height) - extents)
    drawn = np.concatenate((corners, extents), axis=1).round(1).tolist()
    return [[0.0, 0.0, float(width), float(height)], *drawn[1:]]


def write_folder(
    folder: Path,
    images: list[tuple[str, int, int]],
    count: int,
    categories: list[dict[str, object]],
) -> None:
    """A split "all", whose images are there, with so many boxes for each."""
    annotations = []
    for place, (_, width, height) in enumerate(images):
        for box in boxes(width, height, count, seed=place):
            category = categories[len(annotations) % len(categories)]["id"]
            one = {"id": len(annotations) + 1, "image_id": place + 1, "category_id": category}
            annotations.append({**one, "bbox": box})
    document = {
        "images": [
            {"id": place + 1, "file_name": name, "width": width, "height": height}
            for place, (name, width, height) in enumerate(images)
        ],
        "categories": categories,
        "annotations": annotations,
    }
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / "instances_all.json").write_text(json.dumps(document))


def categories_of(scenes: Dataset) -> list[dict[str, object]]:
    content = json.loads(scenes.split("val").annotations.read_text())
    found: list[dict[str, object]] = content["categories"]
    return found


@pytest.fixture
def thousand(scenes: Dataset, tmp_path: Path) -> Path:
    """Twenty images with 50 boxes each."""
    split = scenes.split("val")
    content = json.loads(split.annotations.read_text())
    own = [
        (f"{number}-{image['file_name']}", image["width"], image["height"])
        for number, image in enumerate((content["images"] * 2)[:IMAGES])
    ]
    folder = tmp_path / "thousand"
    write_folder(folder, own, BOXES, categories_of(scenes))
    (folder / "all").mkdir()
    for name, _, _ in own:
        shutil.copy(split.images / name.partition("-")[2], folder / "all" / name)
    return folder


def command(folder: Path, teacher: Path | None, out: Path) -> list[str]:
    """With a teacher, or, without one, after having learnt from the boxes."""
    how = ["--learn"] if teacher is None else ["--checkpoint", str(teacher)]
    places = ("--out", str(out), "--device", "cpu")
    return ["annotate", str(folder), *how, *places, "--least-quality", "0", *FORMS]


def start(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", *words],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def killed(words: list[str], out: Path, parts: int) -> None:
    """Start it, and kill it as soon as so many images are done."""
    process = start(words)
    try:
        while process.poll() is None and len(list(out.glob(".parts/all/*.json"))) < parts:
            time.sleep(0.0005)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_killed_at_random_points_each_box_has_its_mask_once(
    thousand: Path, teacher: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert start(command(thousand, teacher, whole)).wait() == 0
    rng = np.random.default_rng(0)
    for parts in sorted(rng.choice(np.arange(1, IMAGES - 4), 3, replace=False).tolist()):
        killed(command(thousand, teacher, cut), cut, parts)
    # Once more when all is computed and the results are being written.
    killed(command(thousand, teacher, cut), cut, IMAGES)
    assert start(command(thousand, teacher, cut)).wait() == 0
    document = json.loads((cut / "annotations" / "instances_all.json").read_text())
    ids = [one["id"] for one in document["annotations"]]
    assert ids == list(range(1, IMAGES * BOXES + 1))
    assert all("unsure" in one for one in document["annotations"])
    masks = sum("segmentation" in one for one in document["annotations"])
    assert masks > IMAGES * BOXES / 2
    # YOLO's lines leave out masks of less than a pixel; pictures there are one for each mask.
    assert len(list((cut / "png").rglob("*.png"))) == masks
    assert contents(cut) == contents(whole)


@pytest.mark.parametrize("by", ["teacher", "learning"])
def test_memory_of_photographs_of_20_megapixels(
    scenes: Dataset, teacher: Path, by: str, tmp_path: Path
) -> None:
    folder = tmp_path / "large"
    width, height = 5472, 3648
    images = [(f"{number}.jpg", width, height) for number in range(2)]
    write_folder(folder, images, 20, categories_of(scenes))
    (folder / "all").mkdir()
    across, down = np.arange(width), np.arange(height)[:, None]
    for number, (name, _, _) in enumerate(images):
        waves = np.sin(across / (50 + 9 * number)) * np.sin(down / 70)
        pixels = np.stack([waves * factor * 100 + 128 for factor in (1, -1, 0.5)], axis=2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "all" / name, quality=90)
    words = command(folder, teacher if by == "teacher" else None, tmp_path / "out")
    process = subprocess.run(
        [sys.executable, "-c", MEASURED, *words],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    masks = len(list((tmp_path / "out" / "png").rglob("*.png")))
    assert masks > 20
    peak = int(process.stdout.splitlines()[-1])
    print(f"peak resident memory: {peak / 1e6:.2f} GB")
    assert peak < LIMIT
