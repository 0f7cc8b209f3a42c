"""Average precision by pycocotools, on predictions saved as COCO's result JSON."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import nn
from tqdm import tqdm

from boxseg.data.annotation_rules import are_finite, segmentation_fault
from boxseg.engine.precision import autocast
from boxseg.errors import InputError
from boxseg.files import read_json

SMALL, LARGE = 32.0, 96.0
"""Sides, in COCO's pixels, of the squares that bound medium objects."""

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")


@dataclass(frozen=True)
class Scores:
    """What an evaluation found.

    Attributes:
        metrics: "segm/AP", "bbox/AP50", ...: per cent, 0-100; None where the ground truth does
            not define it (no object of that size, no masks).
        area_ranges: "small", "medium", "large": areas in pixels of the evaluated images.
    """

    metrics: dict[str, float | None]
    area_ranges: dict[str, tuple[float, float]]


def predictions_of(
    model: nn.Module,
    records: Sequence[dict[str, Any]],
    mapper: Callable[[dict[str, Any]], dict[str, Any]],
    category_ids: Sequence[int],
    precision: torch.dtype,
    batch_size: int,
    title: str,
) -> list[dict[str, Any]]:
    """Detections of a model in COCO's result format.

    Args:
        model: put into evaluation mode here.
        records: images; see `boxseg.data.records.evaluation_images`.
        mapper: from a record to the model's input.
        category_ids: the JSON's id of every contiguous class.
        precision: that convolutions run in.
        batch_size: images at a time.
        title: of the progress bar.
    """
    model.eval()
    results = []
    bar = tqdm(total=len(records), desc=title, unit="img", disable=not sys.stderr.isatty())
    for start in range(0, len(records), batch_size):
        batch = [mapper(record) for record in records[start : start + batch_size]]
        with torch.no_grad(), autocast(precision, model.device):  # type: ignore[arg-type]
            outputs = model(batch)
        for x, output in zip(batch, outputs, strict=True):
            for found in instances_to_coco_json(output["instances"].to("cpu"), x["image_id"]):
                found["category_id"] = category_ids[found["category_id"]]
                results.append(found)
        bar.update(len(batch))
    bar.close()
    return results


def ground_truth(annotations: Path) -> tuple[COCO, bool]:
    """A split's annotations for evaluation, and whether all of them have masks.

    Fields that a box-only JSON lacks are filled in: no crowd, the box's area. Annotations are
    numbered from 1, because pycocotools takes an id of 0 for "not matched".

    Raises:
        InputError: an area or a segmentation is invalid.
    """
    content = read_json(annotations)
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    masked = all(a.get("segmentation") is not None for a in content["annotations"])
    for number, annotation in enumerate(content["annotations"], start=1):
        annotation.setdefault("iscrowd", 0)
        if annotation.get("area") is None:
            annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
        fault = None
        if not are_finite([annotation["area"]]):
            fault = "area is no finite number"
        elif masked:
            found = segmentation_fault(annotation["segmentation"], *sizes[annotation["image_id"]])
            fault = found and f"segmentation {found}"
        if fault is not None:
            raise InputError(
                f"annotation {annotation['id']} in {annotations} cannot be evaluated: its "
                f"{fault}; mend or remove it."
            )
        annotation["id"] = number
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco, masked


def score(annotations: Path, predictions: Path, pixel_factor: float = 1.0) -> Scores:
    """COCO's average precisions of saved predictions.

    Args:
        annotations: the split's JSON.
        predictions: COCO's result JSON.
        pixel_factor: a length in the evaluated images per length in COCO's; the areas that
            separate small, medium and large objects scale with its square.

    Raises:
        InputError: a file is malformed.
    """
    truth, masked = ground_truth(annotations)
    found = read_json(predictions)
    small, large = (SMALL * pixel_factor) ** 2, (LARGE * pixel_factor) ** 2
    ranges = [[0.0, 1e10], [0.0, small], [small, large], [large, 1e10]]
    metrics: dict[str, float | None] = {}
    for kind in ("segm", "bbox"):
        if kind == "segm" and not masked:
            metrics |= {f"segm/{name}": None for name in METRICS}
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(truth, _detections(truth, found, kind), kind)
            evaluation.params.imgIds = sorted(truth.getImgIds())
            evaluation.params.catIds = sorted(truth.getCatIds())
            evaluation.params.areaRng = ranges
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        for name, value in zip(METRICS, evaluation.stats, strict=False):
            metrics[f"{kind}/{name}"] = 100 * float(value) if value >= 0 else None
    return Scores(
        metrics, {"small": (0.0, small), "medium": (small, large), "large": (large, 1e10)}
    )


def _detections(truth: COCO, found: list[dict[str, Any]], kind: str) -> COCO:
    """Saved predictions for one kind of evaluation; pycocotools refuses an empty list."""
    if not found:
        return COCO()
    if kind == "segm":
        # Beside a box, pycocotools would take the box's area for the mask's.
        found = [{name: one[name] for name in one if name != "bbox"} for one in found]
    return truth.loadRes(found)
