"""A split of scenes on disk: images, then a COCO JSON that says they are all there."""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from boxseg.data.dataset import Split
from boxseg.data.scenes.png import encode_png, png_bytes
from boxseg.data.scenes.scene import Scene, draw_scene
from boxseg.data.scenes.stream import RandomStream
from boxseg.data.scenes.style import FAMILIES, GENERATOR_VERSION, SPLIT_STYLES
from boxseg.errors import InputError
from boxseg.files import write_json_atomically
from boxseg.progress_display.display import DISPLAY

logger = logging.getLogger(__name__)

_ABANDONED_AFTER = 3600.0  # seconds without a new file in it


def scene(family: str, seed: int, split: str, number: int, size: int) -> Scene:
    """Scene `number` (from 1) of a split: the same whatever else the split holds."""
    key = f"{family} v{GENERATOR_VERSION} seed {seed} {split} scene {number} of {size} px"
    return draw_scene(RandomStream(key), FAMILIES[family], SPLIT_STYLES[split], size)


def file_name(number: int) -> str:
    """The image file of scene `number`."""
    return f"{number:06d}.png"


def ensure_split(folder: Path, family: str, split: str, count: int, size: int, seed: int) -> Split:
    """Give the split in `folder`, generating it first unless all of it is there.

    Images are written into a folder of their own that is renamed when they are complete, the
    annotations last; so a split without annotations is not complete, and processes that generate
    the same split at the same time write the same bytes to the same places.

    Raises:
        InputError: `folder` cannot be written.
    """
    result = Split(split, folder / "annotations" / f"instances_{split}.json", folder / split)
    if not _complete(result, count, size):
        try:
            _generate(result, family, count, size, seed)
        except OSError as error:
            raise InputError(
                f"cannot write scenes to {folder}: {error.strerror or error}; "
                "free the disk or choose a writable data folder."
            ) from error
    return result


def _complete(split: Split, count: int, size: int) -> bool:
    """Whether the annotations and every image are there, no image cut short."""
    expected = png_bytes(size, size)
    try:
        return split.annotations.is_file() and all(
            (split.images / file_name(number)).stat().st_size == expected
            for number in range(1, count + 1)
        )
    except OSError:
        return False


def _generate(split: Split, family: str, count: int, size: int, seed: int) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    what = f"{family} {split.name} ({size} px)"
    with _folder_in_the_making(split.images) as making, DISPLAY.bar(what, count, "image") as bar:
        if not bar.on_screen:
            logger.info("generating %d images of %s", count, what)
        for number in range(1, count + 1):
            drawn = scene(family, seed, split.name, number, size)
            (making / file_name(number)).write_bytes(encode_png(drawn.image))
            images.append(
                {"id": number, "file_name": file_name(number), "width": size, "height": size}
            )
            for annotation in _annotations(drawn, size):
                annotations.append({"id": len(annotations) + 1, "image_id": number} | annotation)
            bar.update()
    content = {
        "info": {
            "description": "Generated scenes: shapes on textured backgrounds",
            "version": str(GENERATOR_VERSION),
            "family": family,
            "split": split.name,
            "image_size": size,
            "seed": seed,
        },
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": category.name, "supercategory": "shape"}
            for number, category in enumerate(FAMILIES[family].categories, start=1)
        ],
    }
    write_json_atomically(split.annotations, content, indent=None)


def _annotations(drawn: Scene, size: int) -> Iterator[dict[str, Any]]:
    """Category, exact modal mask, its box and area, for each object of a scene."""
    for placed in drawn.objects:
        mask = np.zeros((size, size), dtype=np.uint8, order="F")
        mask[placed.window] = placed.visible
        encoded = coco_mask.encode(mask)
        yield {
            "category_id": placed.category + 1,
            "segmentation": {"size": [size, size], "counts": encoded["counts"].decode("ascii")},
            "area": int(np.count_nonzero(placed.visible)),
            "bbox": list(placed.box()),
            "iscrowd": 0,
        }


@contextlib.contextmanager
def _folder_in_the_making(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, whose files are moved to `target` when all are written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    making = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    making.mkdir()
    try:
        yield making
        try:
            making.rename(target)
        except OSError:
            # It exists: left by a crash, or by another process just now. The files in it that
            # are whole are the same as ours, so replacing them one by one disturbs no reader.
            for written in making.iterdir():
                written.replace(target / written.name)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _remove_abandoned(target: Path) -> None:
    """Remove what processes killed long ago left half-made."""
    for making in target.parent.glob(f".{target.name}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - making.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(making, ignore_errors=True)
