"""Masks for known boxes from the colours in and around them; nothing is learnt of other images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from boxseg.cutouts.color_model import ColorModel
from boxseg.cutouts.cutout_masks import CutoutMasks
from boxseg.cutouts.cutouts import Cutouts, pixels_of


def color_masks(
    image: np.ndarray, boxes: Tensor, device: torch.device, model: ColorModel | None = None
) -> CutoutMasks:
    """Masks for the boxes of an image.

    Their quality is the IoU of the masks that a tenth of a strong prior and that the strong one
    give: where colours decide, the prior does not matter.

    Args:
        image: uint8 (H, W, 3), RGB.
        boxes: (N, 4), XYXY in pixels, with an area in the image.
        device: to compute on.
        model: what a cell believes in.
    """
    model = model or ColorModel()
    boxes = boxes.to(device, torch.float32)
    cutouts = Cutouts.of(pixels_of(image, device), boxes)
    weak, strong = (
        (replace(model, prior=prior).logits(cutouts) > 0) & cutouts.inside
        for prior in (0.3 * model.prior, 3 * model.prior)
    )
    common = (weak & strong).flatten(1).sum(dim=1)
    quality = common / (weak | strong).flatten(1).sum(dim=1).clamp(min=1)
    probabilities = model.logits(cutouts).sigmoid()
    return CutoutMasks(boxes, probabilities, quality, (image.shape[0], image.shape[1]))
