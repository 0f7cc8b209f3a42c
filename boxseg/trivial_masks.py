"""Masks that a box alone gives, and how well they cover: what a labeller has to beat.

They depend on the data and on nothing that was trained. A labeller whose masks are no better than
the ellipse in the box teaches a student nothing that the box does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from boxseg.data.image_reader import ImageReader
from boxseg.data.mapper import binary_mask
from boxseg.encoded_masks import mask_chunks
from boxseg.grabcut import grabcut_mask, is_installed
from boxseg.mask_overlap import mask_iou

GRABCUT_OBJECTS = 300
"""That GrabCut is tried on, at about 10 ms each: their mean has a standard error of 1.5 points."""


def filled_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """The pixels whose centres are in each box: bool (N, height, width), of XYXY pixels (N, 4)."""
    rows, columns = _pixel_centres(boxes, height, width)
    in_rows = (rows >= boxes[:, 1, None]) & (rows < boxes[:, 3, None])
    in_columns = (columns >= boxes[:, 0, None]) & (columns < boxes[:, 2, None])
    return in_rows[:, :, None] & in_columns[:, None]


def inscribed_ellipses(boxes: Tensor, height: int, width: int) -> Tensor:
    """The pixels whose centres are in the ellipse that touches each box's sides; see above."""
    rows, columns = _pixel_centres(boxes, height, width)

    def squared(places: Tensor, axis: int) -> Tensor:
        """Distance from the box's centre, of its half side."""
        low, high = boxes[:, axis, None], boxes[:, axis + 2, None]
        return ((2 * places - low - high) / (high - low)).square()

    return squared(rows, 1)[:, :, None] + squared(columns, 0)[:, None] <= 1


def _pixel_centres(boxes: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    rows, columns = (torch.arange(size, dtype=boxes.dtype) + 0.5 for size in (height, width))
    return rows.to(boxes.device), columns.to(boxes.device)


def true_masks(record: Mapping[str, Any], run: slice) -> Tensor:
    """Bool (n, H, W), of a run of the original image's objects; n is at least 1."""
    height, width = record["height"], record["width"]
    masks = [binary_mask(a["segmentation"], height, width) for a in record["annotations"][run]]
    return torch.from_numpy(np.stack(masks))


def boxes_of_record(record: Mapping[str, Any]) -> Tensor:
    """Float64 (n, 4), XYXY, in pixels of the original image."""
    boxes = [annotation["bbox"] for annotation in record["annotations"]]
    return torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)


def trivial_mask_scores(
    records: Sequence[Mapping[str, Any]], reader: ImageReader
) -> dict[str, float | None]:
    """Mean IoU with the true masks, in per cent, of masks that nothing was trained for.

    Args:
        records: with masks; see `boxseg.data.records.load_records`.
        reader: of their images.

    Returns:
        `trivial/box-IoU` and `trivial/ellipse-IoU`, over all objects; and, where OpenCV is
        installed, `trivial/grabcut-IoU`, over `GRABCUT_OBJECTS` of them at even distances. None
        where there is no object.
    """
    boxes, ellipses = [torch.zeros(0)], [torch.zeros(0)]
    for record in records:
        height, width = record["height"], record["width"]
        own = boxes_of_record(record)
        for run in mask_chunks(len(own), height * width) if len(own) else ():
            truth = true_masks(record, run)
            boxes.append(mask_iou(filled_boxes(own[run], height, width), truth))
            ellipses.append(mask_iou(inscribed_ellipses(own[run], height, width), truth))
    scores = {
        "trivial/box-IoU": _per_cent(torch.cat(boxes)),
        "trivial/ellipse-IoU": _per_cent(torch.cat(ellipses)),
    }
    if is_installed():
        scores["trivial/grabcut-IoU"] = _per_cent(_grabcut_overlaps(records, reader))
    return scores


def _grabcut_overlaps(records: Sequence[Mapping[str, Any]], reader: ImageReader) -> Tensor:
    every = [(record, n) for record in records for n in range(len(record["annotations"]))]
    tried = min(len(every), GRABCUT_OBJECTS)
    overlaps = []
    for place in range(tried):
        record, number = every[place * len(every) // tried]
        box = record["annotations"][number]["bbox"]
        found = torch.from_numpy(grabcut_mask(reader(dict(record)), box))
        overlaps.append(mask_iou(found[None], true_masks(record, slice(number, number + 1))))
    return torch.cat([torch.zeros(0), *overlaps])


def _per_cent(ious: Tensor) -> float | None:
    return 100 * float(ious.double().mean()) if len(ious) else None
