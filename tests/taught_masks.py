"""Predicted masks and the pseudo masks they are taught, given cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.copy_paste import TrainingSample
from boxseg.mask_losses import MaskPredictions, PseudoTargets


def labelled(
    boxes: Tensor,
    cells: Tensor,
    stride: int,
    size: tuple[int, int] | None = None,
    quality: Tensor | None = None,
    valid: Tensor | None = None,
    pasted: Tensor | None = None,
    unsure: Tensor | None = None,
) -> TrainingSample:
    """An image of N objects whose pseudo masks, bool (N, h, w), are constant over each cell.

    By default every mask is valid, of quality 1 and of the image's own, and all pixels are sure.
    """
    count = len(boxes)
    height, width = size or (stride * cells.shape[1], stride * cells.shape[2])

    def pixels(maps: Tensor) -> Tensor:
        fine = maps.bool().repeat_interleave(stride, 1).repeat_interleave(stride, 2)
        return fine[:, :height, :width]

    return TrainingSample(
        image=torch.zeros(3, height, width, dtype=torch.uint8),
        boxes=boxes,
        classes=torch.zeros(count, dtype=torch.long),
        masks=pixels(cells),
        quality=torch.ones(count) if quality is None else quality,
        scores=torch.ones(count),
        valid=torch.ones(count, dtype=torch.bool) if valid is None else valid,
        pasted=torch.zeros(count, dtype=torch.bool) if pasted is None else pasted,
        unsure=None if unsure is None else pixels(unsure),
    )


def instances_of(sample: TrainingSample) -> Instances:
    """The boxes and classes of a sample's objects."""
    objects = Instances(sample.size)
    objects.gt_boxes = Boxes(sample.boxes)
    objects.gt_classes = sample.classes
    return objects


def predictions(
    logits: Tensor,
    object_index: Sequence[int],
    samples: Sequence[TrainingSample],
    stride: int,
    iteration: int,
    **others: Any,
) -> MaskPredictions:
    """Masks (P, h, w) of the objects of some images, taught by the images' pseudo masks."""
    size = (logits.shape[1], logits.shape[2])
    given: dict[str, Any] = {
        "logits": logits,
        "object_index": torch.tensor(object_index, dtype=torch.int64),
        "objects": [instances_of(sample) for sample in samples],
        "images": torch.zeros(len(samples), 3, stride * size[0], stride * size[1]),
        "image_sizes": [sample.size for sample in samples],
        "original_heights": [sample.size[0] for sample in samples],
        "stride": stride,
        "iteration": iteration,
        "pseudo": PseudoTargets.of(samples, stride, size, logits.device),
    }
    return MaskPredictions(**given | others)
