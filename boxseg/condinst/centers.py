"""The point of an object that centre sampling is done around; each method has its own choice."""

from __future__ import annotations

import torch
from detectron2.structures import Instances
from torch import Tensor

from boxseg.errors import InputError


def box_centers(objects: Instances) -> Tensor:
    """Middles of the boxes: (N, 2), x, y in pixels."""
    return objects.gt_boxes.get_centers()


def box_pixel_centers(objects: Instances) -> Tensor:
    """Mean pixel index of the boxes' filled pixels: (N, 2), x, y in pixels.

    A box fills rows int(y0) to int(y1 + 1) - 1 (columns likewise), so the mean is up to half a
    pixel from the box's middle. BoxInst samples around it.
    """
    corners = objects.gt_boxes.tensor
    first = corners[:, :2].trunc()
    after_last = (corners[:, 2:] + 1).trunc()
    return (first + after_last - 1) / 2


def mask_centroids(objects: Instances) -> Tensor:
    """Mean pixel index of the true masks: (N, 2), x, y in pixels (CondInst).

    Raises:
        InputError: the objects carry no masks.
    """
    if not objects.has("gt_masks"):
        raise InputError(
            "mask-supervised training needs the masks of the training objects, but they were not "
            "loaded; set load_masks=true."
        )
    return centroids(objects.gt_masks.tensor)


def centroids(masks: Tensor) -> Tensor:
    """Mean pixel index of masks (N, H, W): (N, 2), x, y in pixels."""
    masks = masks.float()
    height, width = masks.shape[-2:]
    area = masks.sum(dim=(1, 2)).clamp(min=1e-6)
    x = (masks.sum(dim=1) @ torch.arange(width, device=masks.device, dtype=masks.dtype)) / area
    y = (masks.sum(dim=2) @ torch.arange(height, device=masks.device, dtype=masks.dtype)) / area
    return torch.stack((x, y), dim=1)
