"""Small splits in COCO's format to plant defects in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from boxseg.data.check import check_split
from boxseg.data.dataset import Split

TRIANGLE = [[1, 2, 4, 2, 1, 6]]


def image(identity: int, file_name: str, width: int = 40, height: int = 30) -> dict[str, Any]:
    return {"id": identity, "file_name": file_name, "width": width, "height": height}


def annotation(identity: int, bbox: list[float], **fields: Any) -> dict[str, Any]:
    """An object of image 1 with a mask of 6 square pixels in the box [1, 2, 3, 4]."""
    common = {"id": identity, "image_id": 1, "category_id": 3, "bbox": bbox}
    return {**common, "segmentation": TRIANGLE, "area": 6.0, **fields}


def write_split(
    root: Path,
    annotations: list[Any],
    images: list[Any] | None = None,
    categories: list[Any] | None = None,
) -> Split:
    """A split whose image 1 is 40 x 30 pixels and whose category is 3."""
    folder = root / "train"
    folder.mkdir()
    Image.new("RGB", (40, 30)).save(folder / "1.png")
    document = {
        "images": [image(1, "1.png")] if images is None else images,
        "annotations": annotations,
        "categories": [{"id": 3, "name": "bar"}] if categories is None else categories,
    }
    path = root / "instances_train.json"
    path.write_text(json.dumps(document))
    return Split("train", path, folder)


def found(split: Split) -> list[tuple[str, str]]:
    """Kind and place of every defect."""
    return [(defect.kind, defect.where) for defect in check_split(split).defects]
