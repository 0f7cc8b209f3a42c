"""The data path of a run, timed in the process that uses it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.layouts import Layout

SIZES = ((480, 640), (640, 480), (427, 640), (640, 640))
"""Height and width of photographs, as most of COCO's have them."""

PHOTOGRAPHS, OBJECTS = 32, 7
MANY = 10**4
"""Batches, more than are asked for."""


def write_photographs(folder: Path) -> None:
    """A folder as `dataset=coco-folder` takes it, with JPEG files as large as COCO's."""
    from benchmarks.settings import CLASSES
    from benchmarks.synthetic import record_of

    rng = np.random.default_rng(0)
    images, annotations = [], []
    for part in ("annotations", "train"):
        (folder / part).mkdir(parents=True)
    for number in range(PHOTOGRAPHS):
        height, width = SIZES[number % len(SIZES)]
        record = record_of(height, width, OBJECTS, number, rng)
        name = f"{number:04d}.jpg"
        Image.fromarray(record["pixels"]).save(folder / "train" / name, quality=90)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for a in record["annotations"]:
            x0, y0, x1, y1 = map(float, a["bbox"])
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": a["category_id"] + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                    "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
                }
            )
    categories = [{"id": n + 1, "name": f"class {n + 1}"} for n in range(CLASSES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    file = folder / "annotations" / "instances_train.json"
    file.write_text(json.dumps(content), encoding="utf-8")


class DataPath:
    """Batches as a run loads them, one after the other.

    Args:
        layout: of the checkout.
        words: of the command line.
        kept_bytes: of decoded images; 0 decodes each anew, as where a dataset does not fit.
    """

    def __init__(self, layout: Layout, words: Sequence[str], kept_bytes: int) -> None:
        from boxseg.data.draws import training_batches
        from boxseg.data.image_reader import ImageReader

        config = layout.compose(words)
        _, loaded = layout.load_data(config)
        reader = ImageReader(config.channel_order, kept_bytes)
        self.images = config.solver.batch_size
        self.batches: Iterator[Any] = training_batches(
            loaded.records,
            layout.build(config.mapper, reader=reader),
            config.seed,
            self.images,
            0,
            MANY,
            config.workers,
        )
        for _ in range(max(1, len(loaded.records) // self.images)):
            next(self.batches)  # decoded once, where it is kept

    def answers(self) -> dict[str, Callable[..., Any]]:
        """What the process does when it is told to; see `benchmarks.child`."""
        return {"batches": self.load}

    def load(self, count: int) -> dict[str, float]:
        """Seconds per image: `cpu`, of this process (not of a loader's), and `wall`."""
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            next(self.batches)
        images = count * self.images
        return {
            "cpu": (time.process_time() - cpu) / images,
            "wall": (time.perf_counter() - wall) / images,
        }
