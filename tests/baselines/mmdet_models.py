"""Our BoxInst and mmdet's of the smoke scale, with the same weights, and batches for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from baselines.mmdet_boxinst import MMDetBoxInst
from boxseg.condinst import CondInst
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from tests.baselines.mmdet_weights import load_into_mmdet

EXACT = ("scale.input.pixel_mean=[127.0,127.0,127.0]", "scale.input.pixel_std=[128.0,128.0,128.0]")
"""A normalisation that is undone without rounding."""

IMAGENET = (
    "scale.input.pixel_mean=[123.675,116.28,103.53]",
    "scale.input.pixel_std=[58.395,57.12,57.375]",
)


def pair(*words: str) -> tuple[CondInst, MMDetBoxInst]:
    """Both, in training mode, with weights that make every term of the loss lively."""
    torch.manual_seed(0)
    ours = build(compose(["scale=smoke", "method=boxinst", *words]).model)
    theirs = build(compose(["scale=smoke", "method=mmdet-boxinst", *words]).model)
    with torch.no_grad():
        for parameter in ours.parameters():
            if parameter.ndim > 1:
                parameter.add_(0.5 * parameter.std() * torch.randn_like(parameter))
        ours.detector.head.bbox_pred.bias.fill_(2.0)
        ours.controller.weight.mul_(5)
    load_into_mmdet(ours, theirs)
    return ours.train(), theirs.train()


def losses(model: CondInst | MMDetBoxInst, batch: list[dict[str, Any]]) -> dict[str, float]:
    """The terms at the seventh iteration, well past the smoke scale's warm-up."""
    torch.manual_seed(0)
    return {name: loss.item() for name, loss in model.losses(batch, 7).losses.items()}


def image_with(
    pixels: Tensor, boxes: Sequence[Sequence[float]], original_height: int | None = None
) -> dict[str, Any]:
    """A training input of an image uint8 (3, H, W) and its boxes, of classes 0, 1, ..."""
    height, width = pixels.shape[1:]
    objects = Instances((height, width))
    objects.gt_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32))
    objects.gt_classes = torch.arange(len(boxes))
    return {
        "image": pixels,
        "height": original_height or height,
        "width": width,
        "instances": objects,
    }


def blocks(levels: Sequence[int], side: int = 64, height: int | None = None) -> Tensor:
    """An image of 4 x 4 blocks, each of three of the levels: uint8 (3, height or side, side)."""
    rows, columns = -(-(height or side) // 4), -(-side // 4)
    choice = torch.randint(len(levels), (3, rows, columns))
    coarse = torch.tensor(levels, dtype=torch.uint8)[choice]
    fine = coarse.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    return fine[:, : height or side, :side]
