"""A CondInst of the smoke scale's size, and two images to train and test it on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.structures import BitMasks, Boxes, Instances
from torch import Tensor

from boxseg.backbones.resnet import pyramid, resnet
from boxseg.box_supervision import BoxSupervision
from boxseg.condinst import CondInst
from boxseg.condinst.centers import box_pixel_centers, mask_centroids
from boxseg.condinst.dynamic_mask_head import DynamicMaskHead
from boxseg.condinst.fcos import FCOS
from boxseg.condinst.fcos_head import FCOSHead
from boxseg.condinst.mask_branch import MaskBranch
from boxseg.condinst.positives import TopPositives
from boxseg.condinst.semantic_head import SemanticHead
from boxseg.mask_losses import MaskLoss
from boxseg.mask_supervision import MaskSupervision

CLASSES = 3
SIDE = 64
LEVELS = ("p2", "p3", "p4")
STRIDES = (4, 8, 16)


def tiny_model(
    mask_losses: Sequence[MaskLoss], score_threshold: float = 0.05, semantic: bool = False
) -> CondInst:
    """The smoke scale's network; mask centroids where a loss needs masks anyway."""
    supervised = any(isinstance(loss, MaskSupervision) for loss in mask_losses)
    bottom_up = resnet(
        18,
        norm="BN",
        freeze_at=0,
        stem_channels=8,
        first_stage_channels=16,
        out_features=("res2", "res3", "res4"),
    )
    return CondInst(
        backbone=pyramid(bottom_up, ("res2", "res3", "res4"), 32),
        levels=LEVELS,
        detector=FCOS(
            FCOSHead(32, CLASSES, len(LEVELS), cls_convs=1, box_convs=1),
            STRIDES,
            (32, 64),
            CLASSES,
            object_centers=mask_centroids if supervised else box_pixel_centers,
            score_threshold=score_threshold,
            max_detections=10,
        ),
        mask_branch=MaskBranch(LEVELS, 32, channels=32, convolutions=1, out_channels=8),
        mask_head=DynamicMaskHead(8, 4, 4, (32, 64, 128)),
        positive_sampler=TopPositives(64),
        mask_losses={type(loss).__name__: loss for loss in mask_losses},
        channels=32,
        pixel_mean=(127.0, 127.0, 127.0),
        pixel_std=(128.0, 128.0, 128.0),
        semantic_head=SemanticHead("p2", 32, 16, CLASSES, 4) if semantic else None,
    )


def box_supervised(**settings: Any) -> CondInst:
    """The tiny network, supervised by boxes with the whole pairwise term from the first step."""
    return tiny_model([BoxSupervision(warmup_iterations=1, channel_order="RGB")], **settings)


def objects(boxes: Sequence[Sequence[float]], classes: Sequence[int]) -> Instances:
    """Objects of one image of the tiny size."""
    instances = Instances((SIDE, SIDE))
    instances.gt_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    instances.gt_classes = torch.tensor(classes, dtype=torch.int64)
    return instances


def painted(boxes: Sequence[Sequence[int]], colours: Sequence[Sequence[int]]) -> Tensor:
    """An image of noise with one filled rectangle per box: float32 (3, SIDE, SIDE), 0-255."""
    image = torch.randint(90, 130, (3, SIDE, SIDE), generator=torch.Generator().manual_seed(7))
    for (x0, y0, x1, y1), colour in zip(boxes, colours, strict=True):
        image[:, y0:y1, x0:x1] = torch.tensor(colour)[:, None, None]
    return image.float()


def two_images(with_masks: bool) -> list[dict[str, Any]]:
    """Two images with two rectangles and one; the masks are the rectangles."""
    batch: list[dict[str, Any]] = []
    for boxes, classes, colours in (
        ([[4, 6, 30, 34], [28, 36, 60, 62]], [0, 2], [[250, 20, 20], [20, 20, 240]]),
        ([[10, 8, 58, 50]], [1], [[30, 230, 40]]),
    ):
        image_objects = objects(boxes, classes)
        if with_masks:
            masks = torch.zeros(len(boxes), SIDE, SIDE, dtype=torch.bool)
            for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
                mask[y0:y1, x0:x1] = True
            image_objects.gt_masks = BitMasks(masks)
        batch.append(
            {
                "image": painted(boxes, colours),
                "height": SIDE,
                "width": SIDE,
                "instances": image_objects,
            }
        )
    return batch


def empty_image(with_masks: bool) -> dict[str, Any]:
    """An image without objects."""
    image_objects = objects([], [])
    if with_masks:
        image_objects.gt_masks = BitMasks(torch.zeros(0, SIDE, SIDE, dtype=torch.bool))
    return {
        "image": painted([], []),
        "height": SIDE,
        "width": SIDE,
        "instances": image_objects,
    }
