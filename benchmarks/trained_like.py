"""Weights whose predictions are like a trained model's on the benchmark's images.

The towers stay as they were initialised. The last convolutions are fitted to what they should give
there by least squares: the class at the cells that training assigns to an object, and there the
object's box and a mask that fills most of it, each cell's a little off in its own way. So a teacher
proposes around the objects, with masks that agree in part, and a labeller and a copy-paste have to
do what they have to do in a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from boxseg.condinst import CondInst
from boxseg.condinst.centers import box_centers
from boxseg.condinst.dynamic_mask_head import HIDDEN
from boxseg.condinst.fcos_head import flatten_levels
from boxseg.condinst.fcos_targets import DetectionTargets

OBJECT_LOGIT, BACKGROUND_LOGIT, CENTER_LOGIT = 2.0, -4.0, 2.0
POSITIVE_WEIGHT = 10.0
"""Of a cell of an object against one of the background, which are many."""

RIDGE = 1e-3
JITTER = 0.1
"""Standard deviation of a cell's box and mask, in widths and heights of the object."""

STEEPNESS, REACH = 5.0, 1.2
"""A mask's logit is `STEEPNESS` x (`REACH` - |x| - |y|), x and y in half widths and heights."""


@torch.no_grad()
def fit_predictions(segmenter: CondInst, records: Sequence[dict[str, Any]]) -> float:
    """Fit the last convolutions in place.

    Args:
        segmenter: as it was initialised, on the CPU.
        records: see `benchmarks.synthetic`, all of one size that is the network's input.

    Returns:
        Candidates per image, above the detector's score threshold.
    """
    head, detector = segmenter.detector.head, segmenter.detector
    images = [torch.from_numpy(r["pixels"]).permute(2, 0, 1) for r in records]
    _, normalised = segmenter.batched_images([{"image": image} for image in images])
    pyramid = segmenter.backbone(normalised.tensor)
    levels = [pyramid[name] for name in segmenter.levels]
    objects = [_objects(r) for r in records]
    centers = [box_centers(o) for o in objects]
    targets = detector.assign(detector.locations(head(levels)), objects, centers)
    cells = (targets.object_index >= 0).nonzero().squeeze(1)
    generator = torch.Generator().manual_seed(0)

    positive = torch.zeros(len(targets.labels), 1)
    positive[cells] = 1
    weights = 1 + (POSITIVE_WEIGHT - 1) * positive[:, 0]
    classes = F.one_hot(targets.labels, head.cls_logits.out_channels + 1)[:, :-1]
    logits = BACKGROUND_LOGIT + (OBJECT_LOGIT - BACKGROUND_LOGIT) * classes.float()
    _fit(head.cls_logits, _neighbourhoods([head.cls_tower(x) for x in levels]), logits, weights)

    seen = _neighbourhoods([head.bbox_tower(x) for x in levels])
    if head.ctrness is not None:
        _fit(head.ctrness, seen, CENTER_LOGIT * (2 * positive - 1), weights)
    at_objects, even = seen[cells], torch.ones(len(cells))
    distances = _jittered(targets.box_distances[cells], generator)
    _fit(head.bbox_pred, at_objects, distances, even)
    strides = torch.tensor(detector.strides)[targets.level[cells]]
    masks = _jittered(targets.box_distances[cells], generator) * strides[:, None]
    parameters = mask_parameters(segmenter, masks, targets, cells)
    _fit(segmenter.controller, at_objects, parameters, even)
    return _candidates(segmenter, levels) / len(records)


def mask_parameters(
    segmenter: CondInst, distances: Tensor, targets: DetectionTargets, cells: Tensor
) -> Tensor:
    """Parameters of mask heads that draw rhombs with rounded values around boxes.

    Args:
        segmenter: with the mask head.
        distances: (P, 4), from the cells to the boxes' left, top, right, bottom, in pixels.
        targets, cells: the level of each of the P cells.
    """
    mask_head = segmenter.mask_head
    scales = mask_head.level_scales[targets.level[cells]]
    count, inputs = len(distances), mask_head.feature_channels + 2
    half = ((distances[:, :2] + distances[:, 2:]) / 2).clamp(min=1)
    shift = (distances[:, 2:] - distances[:, :2]) / 2  # of the box's middle from the cell
    first, first_bias = distances.new_zeros(count, HIDDEN, inputs), distances.new_zeros(count, 8)
    for unit in range(4):  # right of the middle, left of it, below, above
        axis, sign = unit // 2, 1 - 2 * (unit % 2)
        # The head is given (cell - pixel) / scale.
        first[:, unit, axis] = -sign * scales / half[:, axis]
        first_bias[:, unit] = -sign * shift[:, axis] / half[:, axis]
    second = torch.eye(HIDDEN).flatten().expand(count, -1)
    third = distances.new_zeros(count, HIDDEN)
    third[:, :4] = -STEEPNESS
    second_bias = distances.new_zeros(count, HIDDEN)
    third_bias = distances.new_full((count, 1), STEEPNESS * REACH)
    parts = first.flatten(1), second, third, first_bias, second_bias, third_bias
    return torch.cat(parts, dim=1)


def _objects(record: dict[str, Any]) -> Instances:
    objects = Instances((record["height"], record["width"]))
    objects.gt_boxes = Boxes(torch.tensor([a["bbox"] for a in record["annotations"]]).float())
    objects.gt_classes = torch.tensor([a["category_id"] for a in record["annotations"]])
    return objects


def _jittered(distances: Tensor, generator: torch.Generator) -> Tensor:
    sides = (distances[:, :2] + distances[:, 2:]).repeat(1, 2)
    noise = torch.randn(distances.shape, generator=generator)
    return (distances + JITTER * sides * noise).clamp(min=0)


def _neighbourhoods(maps: Sequence[Tensor]) -> Tensor:
    """Of all cells, level slowest, then image, row, column: a cell's features, and 3x3 means."""
    both = [torch.cat((m, F.avg_pool2d(m, 3, 1, padding=1)), dim=1) for m in maps]
    return flatten_levels(both)


def _fit(convolution: nn.Conv2d, seen: Tensor, wanted: Tensor, weights: Tensor) -> None:
    """Weights and bias of a 3x3 convolution by weighted ridge regression.

    All places but the middle have equal weights: so a wide network takes seconds, not minutes.
    """
    assert convolution.bias is not None
    inputs = torch.cat((seen, torch.ones_like(seen[:, :1])), dim=1).double()
    weighted = inputs * weights[:, None]
    square = weighted.T @ inputs
    square.diagonal().add_(RIDGE * square.diagonal().mean())
    solution = torch.linalg.solve(square, weighted.T @ wanted.double()).T.float()
    middle, mean = solution[:, :-1].chunk(2, dim=1)
    convolution.weight.copy_((mean / 9)[..., None, None].expand_as(convolution.weight))
    convolution.weight[..., 1, 1] += middle
    convolution.bias.copy_(solution[:, -1])


def _candidates(segmenter: CondInst, levels: Sequence[Tensor]) -> int:
    detector = segmenter.detector
    outputs = detector(levels)
    found = 0
    for logits, centerness in zip(outputs.logits, outputs.centerness, strict=True):
        products = detector.classification.products(logits.sigmoid(), centerness.sigmoid())
        found += int((products > detector.score_threshold).sum())
    return found
