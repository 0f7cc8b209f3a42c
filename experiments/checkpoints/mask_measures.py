"""How good the masks are that boxes were given, where the true ones are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pycocotools import mask as run_length

from boxseg.data.image_reader import decode_image
from boxseg.data.segmentations import compressed
from boxseg.files import read_json
from boxseg.grabcut import grabcut_mask, is_installed
from boxseg.pseudo_evaluation import rank_correlation
from boxseg.trivial_masks import filled_boxes, inscribed_ellipses
from experiments.checkpoints.annotation_parts import SplitToLabel, has_mask
from experiments.checkpoints.box_labeller import BoxMask
from experiments.checkpoints.judged_boxes import JudgedBox, State

SIZES = ("small", "medium", "large")
SMALL, LARGE = 32**2 / (640 * 480), 96**2 / (640 * 480)
"""Share of its image that a small object is below and a large one from: COCO's areas, of an image
of 640 x 480 pixels."""
HOLLOW, FULL = 0.3, 0.9
"""Share of the box that a hollow mask has less of, and a full one more."""


@dataclass(frozen=True)
class MaskMeasures:
    """Masks compared with the true ones. An object that is unsure counts as the ellipse in its box.

    Attributes:
        objects: how many of them, "all" and by `SIZES`.
        iou: mean IoU with the true masks, by what is compared (`masks`, `ellipse`, `box` and, with
            OpenCV, `grabcut`) and by size; None where there is no object.
        unsure: share of the objects.
        hollow, full: share of the masks found of large objects; None without one.
        rank_correlation: Spearman's, of quality and IoU of the masks found; None where nothing
            defines it.
    """

    objects: dict[str, int]
    iou: dict[str, dict[str, float | None]]
    unsure: float | None
    hollow: float | None
    full: float | None
    rank_correlation: float | None

    def lines(self) -> list[str]:
        """To be read: a table of the IoUs, and the rest in a sentence."""

        def told(value: float | None) -> str:
            return "-" if value is None else f"{value:.3f}"

        columns = ("all", *SIZES)
        rows = [
            ["mean IoU", *columns],
            *([name, *(told(of[one]) for one in columns)] for name, of in self.iou.items()),
            ["objects", *(str(self.objects[one]) for one in columns)],
        ]
        table = ["  ".join([f"{row[0]:8}", *(f"{cell:>6}" for cell in row[1:])]) for row in rows]
        rest = (
            f"unsure (counted as the ellipse) {told(self.unsure)}; of large masks hollow "
            f"{told(self.hollow)}, full {told(self.full)}; rank correlation of quality and IoU "
            f"{told(self.rank_correlation)}"
        )
        return [*table, rest]


def measured(
    work: SplitToLabel, judged: Sequence[JudgedBox], found: Mapping[int, BoxMask]
) -> MaskMeasures:
    """Compare the masks of a split's boxes with those that its JSON has.

    Args:
        work: the split, read without its masks.
        judged: its annotations; those without a true mask, or that were not looked at, are left
            out.
        found: masks, by annotation id.
    """
    document = read_json(work.split.annotations)
    truth = {one["id"]: one["segmentation"] for one in document["annotations"] if _known(one, work)}
    of_image: dict[int, list[JudgedBox]] = {}
    for one in judged:
        if one.state in (State.SURE, State.UNSURE) and one.annotation["id"] in truth:
            of_image.setdefault(one.image.id, []).append(one)
    rows: list[dict[str, float]] = []
    for objects in of_image.values():
        entry = objects[0].image
        pixels = (
            decode_image(work.split.images / entry.file_name).pixels if is_installed() else None
        )
        for one in objects:
            id_ = one.annotation["id"]
            true = run_length.decode(compressed(truth[id_], entry.width, entry.height)) > 0
            rows.append(_compared(one, true, found[id_], pixels))
    return _summary(rows)


def _known(annotation: Mapping[str, Any], work: SplitToLabel) -> bool:
    return has_mask(annotation, work.content.images[annotation["image_id"]])


def _compared(
    one: JudgedBox, true: np.ndarray, found: BoxMask, pixels: np.ndarray | None
) -> dict[str, float]:
    """One object: IoUs, its share of the image, and of its mask quality, fill and IoU if any."""
    assert one.exported is not None
    corners = torch.tensor([one.exported.box], dtype=torch.float64)
    box = filled_boxes(corners, *true.shape)[0].numpy()
    ellipse = inscribed_ellipses(corners, *true.shape)[0].numpy()
    row = {
        "share": float(true.mean()),
        "unsure": float(one.state is State.UNSURE),
        "ellipse": _iou(ellipse, true),
        "box": _iou(box, true),
    }
    if pixels is not None:
        row["grabcut"] = _iou(grabcut_mask(pixels, one.exported.box), true)
    row["masks"] = row["ellipse"]
    if found.segmentation is not None:
        mask = run_length.decode(found.segmentation) > 0
        row |= {"found": _iou(mask, true), "quality": found.quality}
        row["fill"] = float(mask.sum() / max(box.sum(), 1))
        if one.state is State.SURE:
            row["masks"] = row["found"]
    return row


def _iou(mask: np.ndarray, true: np.ndarray) -> float:
    return float((mask & true).sum() / max((mask | true).sum(), 1))


def _summary(rows: Sequence[Mapping[str, float]]) -> MaskMeasures:
    sized = {
        "all": list(rows),
        "small": [row for row in rows if row["share"] < SMALL],
        "medium": [row for row in rows if SMALL <= row["share"] < LARGE],
        "large": [row for row in rows if row["share"] >= LARGE],
    }
    compared = ["masks", "ellipse", "box", *(["grabcut"] if is_installed() else [])]
    found = [row for row in rows if "found" in row]
    fills = [row["fill"] for row in sized["large"] if "fill" in row]
    return MaskMeasures(
        objects={size: len(own) for size, own in sized.items()},
        iou={
            name: {size: _mean([row[name] for row in own]) for size, own in sized.items()}
            for name in compared
        },
        unsure=_mean([row["unsure"] for row in rows]),
        hollow=_mean([float(fill < HOLLOW) for fill in fills]),
        full=_mean([float(fill > FULL) for fill in fills]),
        rank_correlation=rank_correlation(
            np.array([row["quality"] for row in found]), np.array([row["found"] for row in found])
        ),
    )


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
