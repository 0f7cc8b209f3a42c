"""Boxes as Box2Mask and DiscoBox draw them: rounded to whole pixels, both ends filled.

A side at x fills the pixel that it rounds to, halves to the even number, so that a box from 2.4 to
5.6 fills columns 2 to 6. BoxInst's rule, which the rest of the suite keeps to, is another
(`boxseg.box_masks.box_profiles`).
"""

from __future__ import annotations

import torch
from detectron2.structures import Instances
from torch import Tensor

from boxseg.mask_losses import MaskPredictions


def rounded_ends(boxes: Tensor, image_sizes: Tensor) -> tuple[Tensor, Tensor]:
    """First and last pixel, x and y, that each box fills of its image: (N, 2) each.

    Args:
        boxes: (N, 4), XYXY in pixels.
        image_sizes: (N, 2), height and width of each one's image, which cuts them.
    """
    first, last = boxes.round().split(2, dim=1)
    return first.clamp(min=0), last.minimum(image_sizes.to(boxes).flip(1) - 1)


def rounded_box_masks(
    boxes: Tensor, image_sizes: Tensor, stride: int, size: tuple[int, int]
) -> Tensor:
    """The cells of a grid that each box fills: bool (N, h, w).

    They are what the box's pixels are when they are resized to a stride as bytes, bilinearly
    (OpenCV's rule): the centre of a cell of an even stride lies between the two middle pixels of
    either axis, and the cell is filled where the mean of these four is at least one half.

    Args:
        boxes: (N, 4), XYXY in pixels.
        image_sizes: (N, 2), height and width of each one's image, without padding.
        stride: of the grid, in pixels; 1 gives the pixels themselves.
        size: (h, w) of the grid, padding included.
    """
    first, last = rounded_ends(boxes, image_sizes)

    def filled(axis: int, cells: int) -> Tensor:
        """How many of the two pixels at the middle of each cell are filled along an axis."""
        start = torch.arange(cells, device=boxes.device) * stride
        middle = torch.stack((start + (stride - 1) // 2, start + stride // 2))
        inside = (middle >= first[:, axis, None, None]) & (middle <= last[:, axis, None, None])
        return inside.sum(dim=1, dtype=torch.uint8)

    return filled(1, size[0])[:, :, None] * filled(0, size[1])[:, None] >= 2


def box_masks(predictions: MaskPredictions) -> Tensor:
    """The masks of all objects' boxes on the grid of the predicted masks: bool (N, h, w)."""
    device = predictions.logits.device
    boxes = torch.cat([o.gt_boxes.tensor for o in predictions.objects]).to(device)
    sizes = torch.tensor(predictions.image_sizes).to(device, non_blocking=True)
    return rounded_box_masks(
        boxes, sizes[predictions.image_index], predictions.stride, predictions.size
    )


def rounded_box_centers(objects: Instances) -> Tensor:
    """Mean pixel index of the pixels that each box fills: (N, 2), x, y in pixels."""
    first, last = rounded_ends(objects.gt_boxes.tensor, _image_size(objects))
    return (first + last) / 2


def rounded_box_areas(objects: Instances) -> Tensor:
    """Pixels that each box fills: (N,)."""
    first, last = rounded_ends(objects.gt_boxes.tensor, _image_size(objects))
    return (last - first + 1).clamp(min=0).prod(dim=1)


def _image_size(objects: Instances) -> Tensor:
    return torch.tensor([objects.image_size])
