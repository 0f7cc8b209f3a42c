"""The zip that COCO's evaluation server takes."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from boxseg.data.coco_json import read_coco_json
from boxseg.data.dataset import Split
from boxseg.data.entries import ImageEntry
from boxseg.data.segmentations import segmentation_fault
from boxseg.errors import InputError
from boxseg.files import atomic_path, read_json

MAX_PER_IMAGE = 100
"""Detections that COCO counts; what is beyond them is of no use."""

_ALGORITHM = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_WRITTEN = (1980, 1, 1, 0, 0, 0)  # the same detections make the same zip at any time


class _Mask(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)]
    counts: Annotated[str, Field(min_length=1)]


class _Detection(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    image_id: int
    category_id: int
    segmentation: _Mask
    score: Annotated[float, Field(ge=0, le=1)]


_DETECTION = TypeAdapter(_Detection)


def write_submission(predictions: Path, split: Split, algorithm: str, folder: Path) -> Path:
    """Write the zip with a split's predictions, and check what was written.

    The server's name for it is `detections_<test set>_<algorithm>_results`, of the zip and of the
    one JSON file in it. Only masks are submitted: beside a box, the server would take the box's
    area for the mask's. Scores have as many digits as tell them apart in single precision.

    Args:
        predictions: COCO's result JSON, with masks.
        split: predicted on.
        algorithm: a name for the method.
        folder: to write to.

    Raises:
        InputError: the name cannot stand in a file's name, or the predictions are not the split's.
    """
    if not _ALGORITHM.fullmatch(algorithm):
        raise InputError(
            f"the algorithm's name {algorithm!r} has to consist of letters, digits, dots and "
            "hyphens, as the server takes the underscore for the end of it; choose another with "
            "--algorithm NAME."
        )
    stem = f"detections_{test_set(split)}_{algorithm}_results"
    target = folder / f"{stem}.zip"
    entry = zipfile.ZipInfo(f"{stem}.json", _WRITTEN)
    entry.compress_type = zipfile.ZIP_DEFLATED
    with atomic_path(target) as temporary:
        with (
            zipfile.ZipFile(temporary, "w") as archive,
            archive.open(entry, "w", force_zip64=True) as stream,
        ):
            stream.write(b"[")
            for index, one in enumerate(read_json(predictions)):
                text = json.dumps(submitted(one), separators=(",", ":"))
                stream.write(f"{',' if index else ''}{text}".encode("ascii"))
            stream.write(b"]")
        check_submission(temporary, split, stem)
    return target


def test_set(split: Split) -> str:
    """COCO's name of a split: that of its annotation file."""
    return re.sub(r"^(instances|image_info)_", "", split.annotations.stem)


def check_submission(file: Path, split: Split, stem: str) -> None:
    """Check a zip as the server would: its member, every detection, the sizes of the masks.

    Args:
        file: the zip.
        split: that it is about.
        stem: of the member's name.

    Raises:
        InputError: the first thing that is wrong.
    """
    with zipfile.ZipFile(file) as archive:
        if archive.namelist() != [f"{stem}.json"]:
            raise InputError(f"{file} has to hold {stem}.json and nothing else.")
        with archive.open(f"{stem}.json") as stream:
            found = json.load(stream)
    content = read_coco_json(split.annotations, split.annotated)
    categories = {category.id for category in content.categories}
    per_image: Counter[int] = Counter()
    for index, one in enumerate(found):
        fault = _fault(one, content.images, categories)
        if fault is not None:
            raise InputError(
                f"detection {index} in {stem}.json {fault}; predict on {split.name} anew."
            )
        per_image[one["image_id"]] += 1
    for image_id, count in per_image.most_common(1):
        if count > MAX_PER_IMAGE:
            raise InputError(
                f"image {image_id} has {count} detections in {stem}.json, more than the "
                f"{MAX_PER_IMAGE} that COCO counts; predict with fewer."
            )


def _fault(found: Any, images: Mapping[int, ImageEntry], categories: set[int]) -> str | None:
    try:
        _DETECTION.validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        return f"is wrong at {'.'.join(map(str, first['loc']))} ({first['msg']})"
    image = images.get(found["image_id"])
    if image is None:
        return f"is of image {found['image_id']}, which the split does not list"
    if found["category_id"] not in categories:
        return f"is of category {found['category_id']}, which the split does not list"
    fault = segmentation_fault(found["segmentation"], image.width, image.height)
    return fault and f"has a segmentation that {fault}"


def submitted(found: dict[str, Any]) -> dict[str, Any]:
    """A prediction as it is submitted: no box, its score in the fewest digits of its float32."""
    score = np.float32(found["score"])
    return {
        "image_id": found["image_id"],
        "category_id": found["category_id"],
        "segmentation": found["segmentation"],
        "score": float(np.format_float_positional(score, unique=True)),
    }
