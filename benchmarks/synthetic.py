"""Images with coloured ellipses, drawn with numpy alone so that every side is given the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from detectron2.structures import BoxMode
from pycocotools import mask as run_length

from benchmarks.settings import CLASSES

COLOURS = np.array([(220, 40, 40), (40, 200, 60), (50, 80, 230), (230, 200, 40), (200, 60, 220)])
LEAST, GREATEST = 0.15, 0.4
"""Width and height of up to `FEW` objects, as shares of the image's."""

FEW = 7


def records_of(height: int, width: int, objects: int, images: int) -> list[dict[str, Any]]:
    """Dataset records with `pixels`, uint8 (H, W, 3), in the place of a file."""
    rng = np.random.default_rng(0)
    return [record_of(height, width, objects, number, rng) for number in range(images)]


def record_of(
    height: int, width: int, objects: int, number: int, rng: np.random.Generator
) -> dict[str, Any]:
    """One image; where there are many objects they are smaller, as in photographs.

    Widths go with the fourth root of the number: 100 objects are half as wide as 7.
    """
    shrunk = min(1.0, FEW / objects) ** 0.25
    extents = rng.uniform(LEAST, GREATEST, (objects, 2)) * shrunk * (width, height)
    extents = extents[extents.prod(axis=1).argsort()[::-1]]  # small ones in front
    corners = rng.uniform(0, 1, (objects, 2)) * ((width, height) - extents)
    labels = rng.integers(0, CLASSES, objects)
    coarse = rng.uniform(60, 200, (height // 8 + 1, width // 8 + 1, 3))
    pixels = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    rows, columns = np.mgrid[:height, :width] + 0.5
    annotations = []
    for (x, y), (w, h), label in zip(corners, extents, labels, strict=True):
        across, down = (columns - x - w / 2) / (w / 2), (rows - y - h / 2) / (h / 2)
        mask = across**2 + down**2 <= 1
        pixels[mask] = COLOURS[label]
        annotations.append(
            {
                "bbox": [x, y, x + w, y + h],
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": int(label),
                "segmentation": run_length.encode(np.asfortranarray(mask.astype(np.uint8))),
            }
        )
    noisy = pixels + rng.normal(0, 12, pixels.shape)
    return {
        "pixels": noisy.clip(0, 255).astype(np.uint8),
        "height": height,
        "width": width,
        "image_id": number,
        "annotations": annotations,
    }
