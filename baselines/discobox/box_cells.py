"""The cells of a mask that a box fills, as DiscoBox draws boxes."""

from __future__ import annotations

import torch
from torch import Tensor

from boxseg.mask_losses import MaskPredictions


def rounded_box_cells(
    boxes: Tensor, image_sizes: Tensor, stride: int, size: tuple[int, int]
) -> Tensor:
    """Masks of boxes, drawn at every pixel and resized bilinearly to a stride: bool (N, h, w).

    A side at x fills the pixel that it rounds to (halves to the even number), within the image. A
    cell's value is the mean of the 2 x 2 pixels at its middle, and it is filled from one half on,
    as OpenCV resizes bytes.

    Args:
        boxes: (N, 4), XYXY in pixels.
        image_sizes: (N, 2), height and width of each one's image, without padding.
        stride: of the masks.
        size: (h, w) of the masks.
    """
    first, last = boxes.round().split(2, dim=1)
    first, last = first.clamp(min=0), last.minimum(image_sizes.flip(1) - 1)

    def filled(axis: int, cells: int) -> Tensor:
        """How many of the two pixels at the middle of each cell are filled along an axis."""
        start = torch.arange(cells, device=boxes.device) * stride
        middle = torch.stack((start + (stride - 1) // 2, start + stride // 2))
        inside = (middle >= first[:, axis, None, None]) & (middle <= last[:, axis, None, None])
        return inside.sum(dim=1, dtype=torch.uint8)

    return filled(1, size[0])[:, :, None] * filled(0, size[1])[:, None] >= 2


def box_cells(predictions: MaskPredictions) -> Tensor:
    """The masks of all objects' boxes on the grid of the predicted masks: bool (N, h, w)."""
    device = predictions.logits.device
    boxes = torch.cat([o.gt_boxes.tensor for o in predictions.objects]).to(device)
    sizes = torch.tensor(predictions.image_sizes).to(device, non_blocking=True)
    return rounded_box_cells(
        boxes, sizes[predictions.image_index], predictions.stride, predictions.size
    )
