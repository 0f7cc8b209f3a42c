"""From cut-outs back to the image: masks that were found on their grids, drawn in its pixels."""

from __future__ import annotations

from dataclasses import dataclass

from detectron2.layers.mask_ops import paste_masks_in_image
from torch import Tensor

from boxseg.cutouts.cutouts import enlarged
from boxseg.trivial_masks import filled_boxes


@dataclass(frozen=True)
class CutoutMasks:
    """Masks for the boxes of an image, on the grids of their cut-outs.

    Attributes:
        boxes: float32 (N, 4), XYXY in pixels of the image.
        probabilities: float32 (N, GRID, GRID), over the enlarged boxes.
        quality: float32 (N,), in [0, 1].
        size: height and width of the image.
    """

    boxes: Tensor
    probabilities: Tensor
    quality: Tensor
    size: tuple[int, int]

    def masks(self, run: slice) -> Tensor:
        """Bool (n, H, W) on the CPU, of a run of the objects, within their boxes."""
        boxes = self.boxes[run]
        drawn = paste_masks_in_image(self.probabilities[run], enlarged(boxes), self.size, 0.5)
        return (drawn & filled_boxes(boxes, *self.size)).cpu()
