"""What a run predicted on a split, beside the true objects: image by image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as run_length

from boxseg.data.dataset import Split
from boxseg.engine.evaluation import ground_truth
from boxseg.files import read_json


@dataclass(frozen=True)
class TrueObjects:
    """The objects of a split.

    Attributes:
        images: the JSON's entries, by id.
        objects: the JSON's annotations, crowds left out, by the id of their image; each with its
            mask as `rle`, None where the split has boxes only.
        categories: names, by id.
        masked: whether all objects have masks.
    """

    images: Mapping[int, dict[str, Any]]
    objects: Mapping[int, list[dict[str, Any]]]
    categories: Mapping[int, str]
    masked: bool


def true_objects(split: Split) -> TrueObjects:
    """Read the objects of an annotated split.

    Raises:
        InputError: its JSON is malformed or has no annotations.
    """
    coco, masked = ground_truth(split.annotations)
    objects: dict[int, list[dict[str, Any]]] = {image: [] for image in sorted(coco.imgs)}
    for one in coco.anns.values():
        if not one["iscrowd"]:
            objects[one["image_id"]].append({**one, "rle": coco.annToRLE(one) if masked else None})
    names = {one["id"]: one["name"] for one in coco.dataset["categories"]}
    return TrueObjects(coco.imgs, objects, names, masked)


@dataclass(frozen=True)
class Predicted:
    """What a run predicted: entries of COCO's result JSON by the id of their image, best first."""

    by_image: Mapping[int, list[dict[str, Any]]] = field(repr=False)

    @staticmethod
    def read(file: Path) -> Predicted:
        """Read COCO's result JSON.

        Raises:
            InputError: it is missing or malformed.
        """
        by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for one in read_json(file):
            by_image[one["image_id"]].append(one)
        for found in by_image.values():
            found.sort(key=lambda one: -one["score"])
        return Predicted(dict(by_image))

    def on(self, image: int) -> Sequence[dict[str, Any]]:
        """The detections on an image."""
        return self.by_image.get(image, [])


def best_overlap(objects: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> float:
    """Mean over an image's objects of the greatest mask IoU that a detection has with them.

    As `boxseg.engine.best_overlap.best_overlap_scores`, but of one image: detections count for the
    objects of their category, whatever their score.

    Args:
        objects: one or more, of `TrueObjects`, with masks.
        found: detections on their image.

    Returns:
        In [0, 1].
    """
    best = []
    for one in objects:
        rivals = [d["segmentation"] for d in found if d["category_id"] == one["category_id"]]
        ious = run_length.iou(rivals, [one["rle"]], [0]) if rivals else np.zeros(1)
        best.append(float(ious.max()))
    return float(np.mean(best))
