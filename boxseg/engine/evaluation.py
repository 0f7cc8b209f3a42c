"""Average precision by pycocotools, on predictions saved as COCO's result JSON."""

from __future__ import annotations

import contextlib
import io
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from detectron2.utils import comm
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import nn

from boxseg.data.annotation_rules import are_finite
from boxseg.data.segmentations import is_absent, object_area, segmentation_fault
from boxseg.engine.boundary import BoundaryEvaluation
from boxseg.engine.class_scores import ClassScores, class_scores
from boxseg.engine.coco_results import coco_results
from boxseg.engine.image_bootstrap import REPLICATES, bootstrap_sds
from boxseg.engine.precision import autocast
from boxseg.engine.voc_scores import voc_scores
from boxseg.errors import InputError
from boxseg.files import read_json
from boxseg.progress_display.display import DISPLAY

logger = logging.getLogger(__name__)

SMALL, LARGE = 32.0, 96.0
"""Sides, in COCO's pixels, of the squares that bound medium objects."""

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
KINDS = ("segm", "bbox")
COUNTED = 100
"""Detections of a category in an image that pycocotools counts, the best ones."""
EVALUATORS: dict[str, type[COCOeval]] = {
    "segm": COCOeval,
    "boundary": BoundaryEvaluation,
    "bbox": COCOeval,
}


@dataclass(frozen=True)
class Scores:
    """What an evaluation found.

    Every score is in per cent, 0-100, and None where the ground truth does not define it (no object
    of that size, no masks).

    Attributes:
        metrics: by "segm/AP", "bbox/AP50", ...
        area_ranges: "small", "medium", "large": areas in pixels of the evaluated images.
        classes: every category's own, in order of their ids.
        voc: "segm/AP50", "segm/AP75", "bbox/AP50", ... as PASCAL VOC averages precision.
        bootstrap: standard deviations of the metrics over resampled images, where defined.
    """

    metrics: dict[str, float | None]
    area_ranges: dict[str, tuple[float, float]]
    classes: tuple[ClassScores, ...]
    voc: dict[str, float | None]
    bootstrap: dict[str, float]


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

    Several processes share the batches, whole ones, so that each is what one process would predict.

    Args:
        model: put into evaluation mode here.
        records: images; see `boxseg.data.records.evaluation_images`.
        mapper: from a record to the model's input.
        category_ids: the JSON's id of every contiguous class.
        precision: that convolutions run in.
        batch_size: images at a time.
        title: of the progress bar.

    Returns:
        All detections, in order of the images, in the first process; none in the others.
    """
    model.eval()
    results: dict[int, list[dict[str, Any]]] = {}
    own, step = comm.get_rank() * batch_size, comm.get_world_size() * batch_size
    with DISPLAY.bar(title, len(records), "image") as bar:
        for start in range(own, len(records), step):
            found_in_batch = results.setdefault(start, [])
            batch = [mapper(record) for record in records[start : start + batch_size]]
            with torch.no_grad(), autocast(precision, model.device):  # type: ignore[arg-type]
                outputs = model(batch)
            for x, output in zip(batch, outputs, strict=True):
                found = output["instances"].to("cpu")
                found_in_batch += coco_results(
                    x["image_id"],
                    found.pred_boxes.tensor.numpy(),
                    found.scores.numpy(),
                    found.pred_classes.numpy(),
                    found.pred_masks,
                    category_ids,
                )
            bar.update(len(records[start : start + step]))  # the other processes are as far
    together = {start: found for part in comm.gather(results) for start, found in part.items()}
    return [found for start in sorted(together) for found in together[start]]


class GroundTruth(NamedTuple):
    """Annotations to evaluate with.

    Attributes:
        coco: the annotations.
        masked: whether all of them have masks.
    """

    coco: COCO
    masked: bool


def ground_truth(annotations: Path, only: Collection[int] | None = None) -> GroundTruth:
    """A split's annotations for evaluation.

    Fields that the JSON lacks are filled in: no crowd, and the area of the mask, or of the box
    where there is no mask. Annotations are numbered from 1, because pycocotools takes an id of 0
    for "not matched".

    Args:
        annotations: the split's JSON.
        only: ids of the images to evaluate on; None for all.

    Raises:
        InputError: there are no annotations, or an area or a segmentation is invalid.
    """
    content = read_json(annotations)
    if "annotations" not in content:
        raise InputError(
            f"{annotations} lists images without annotations, so nothing can be scored on it; "
            "choose another split, or write a submission for the server that keeps them."
        )
    if only is not None:
        content |= {
            "images": [one for one in content["images"] if one["id"] in only],
            "annotations": [one for one in content["annotations"] if one["image_id"] in only],
        }
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    masked = not any(is_absent(a.get("segmentation")) for a in content["annotations"])
    for number, annotation in enumerate(content["annotations"], start=1):
        annotation.setdefault("iscrowd", 0)
        size = sizes[annotation["image_id"]]
        if annotation.get("area") is None:
            annotation["area"] = object_area(annotation, *size)
        fault = None
        if not are_finite([annotation["area"]]):
            fault = "area is no finite number"
        elif masked:
            found = segmentation_fault(annotation["segmentation"], *size)
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
    return GroundTruth(coco, masked)


def _tell_what_is_cut(found: Sequence[Mapping[str, Any]]) -> None:
    """Say how many images have more detections of a category than COCO's AP counts."""
    numbers = Counter((one["image_id"], one["category_id"]) for one in found)
    images = {image for (image, _), number in numbers.items() if number > COUNTED}
    if images:
        logger.warning(
            "%s more than %d detections of one category; AP counts the best %d of each, as COCO's "
            "evaluator does",
            "1 image has" if len(images) == 1 else f"{len(images)} images have",
            COUNTED,
            COUNTED,
        )


def score(
    annotations: Path,
    predictions: Path,
    pixel_factor: float = 1.0,
    kinds: Sequence[str] = KINDS,
    replicates: int = REPLICATES,
) -> Scores:
    """COCO's average precisions of saved predictions.

    Args:
        annotations: the split's JSON.
        predictions: COCO's result JSON.
        pixel_factor, kinds, replicates: see `score_detections`.

    Raises:
        InputError: a file is malformed.
    """
    truth = ground_truth(annotations)
    if not truth.masked:
        logger.info(_why_masks_are_not_scored(truth.coco, annotations))
    found = read_json(predictions)
    _tell_what_is_cut(found)
    return score_detections(truth, found, pixel_factor, kinds, replicates)


def score_detections(
    truth: GroundTruth,
    found: list[dict[str, Any]],
    pixel_factor: float = 1.0,
    kinds: Sequence[str] = KINDS,
    replicates: int = REPLICATES,
) -> Scores:
    """COCO's average precisions of detections.

    Args:
        truth: what is there.
        found: detections in COCO's result format.
        pixel_factor: a length in the evaluated images per length in COCO's; the areas that
            separate small, medium and large objects scale with its square.
        kinds: of `EVALUATORS`: what is compared.
        replicates: samples of images for the bootstrap; with 0 there is none.
    """
    coco, masked = truth
    small, large = (SMALL * pixel_factor) ** 2, (LARGE * pixel_factor) ** 2
    ranges = [[0.0, 1e10], [0.0, small], [small, large], [large, 1e10]]
    evaluations = {
        kind: _evaluation(coco, found, kind, ranges) for kind in kinds if masked or kind == "bbox"
    }
    metrics: dict[str, float | None] = {}
    voc: dict[str, float | None] = {}
    bootstrap: dict[str, float] = {}
    for kind in kinds:
        stats = evaluations[kind].stats if kind in evaluations else [-1.0] * len(METRICS)
        for name, value in zip(METRICS, stats, strict=False):
            metrics[f"{kind}/{name}"] = 100 * float(value) if value >= 0 else None
        if kind in evaluations:
            voc |= {f"{kind}/{name}": v for name, v in voc_scores(evaluations[kind]).items()}
        if kind in evaluations and replicates:
            sds = bootstrap_sds(evaluations[kind], replicates)
            bootstrap |= {f"{kind}/{name}": sd for name, sd in sds.items()}
    return Scores(
        metrics,
        {"small": (0.0, small), "medium": (small, large), "large": (large, 1e10)},
        class_scores(coco, evaluations),
        voc,
        bootstrap,
    )


def _why_masks_are_not_scored(truth: COCO, annotations: Path) -> str:
    bare = [one for one in truth.anns.values() if is_absent(one.get("segmentation"))]
    empty = sum(one.get("segmentation") == [] for one in bare)
    told = f", {empty} of them with an empty `segmentation`" if empty else ""
    return (
        f"mask AP is not measured: {len(bare)} of {len(truth.anns)} annotations in "
        f"{annotations.name} have no mask{told}."
    )


def _evaluation(
    truth: COCO, found: list[dict[str, Any]], kind: str, ranges: list[list[float]]
) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        iou_type = "bbox" if kind == "bbox" else "segm"
        evaluation = EVALUATORS[kind](truth, _detections(truth, found, iou_type), iou_type)
        evaluation.params.imgIds = sorted(truth.getImgIds())
        evaluation.params.catIds = sorted(truth.getCatIds())
        evaluation.params.areaRng = ranges
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _detections(truth: COCO, found: list[dict[str, Any]], kind: str) -> COCO:
    """Saved predictions for one kind of evaluation; pycocotools refuses an empty list."""
    if not found:
        return COCO()
    if kind == "segm":
        # Beside a box, pycocotools would take the box's area for the mask's.
        found = [{name: one[name] for name in one if name != "bbox"} for one in found]
    return truth.loadRes(found)
