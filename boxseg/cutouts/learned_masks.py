"""Masks for known boxes by a network that learnt of many, and by the colours of each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from boxseg.cutouts.color_model import ColorModel
from boxseg.cutouts.cutout_masks import CutoutMasks
from boxseg.cutouts.known_boxes import KnownBoxes
from boxseg.cutouts.network import CutoutNetwork

FAITH = 2.0
"""Factor of the network's log-odds as what a cell believes of itself before it hears of colours."""
DOUBT = 3.0
"""Power of the IoU that the network expects of a mask: it learnt to be sure of labels that are
right for two thirds of a mask. On COCO's photographs the mean of all objects, and that of each
fifth of them by this quality, is then about right."""
OBJECTS_AT_ONCE = 64


def beliefs(network: CutoutNetwork, objects: KnownBoxes) -> Tensor:
    """The network's log-odds, of objects and their mirror images: float32 (N, GRID, GRID).

    They are computed on the network's device, and are where the objects are.
    """
    device = next(network.parameters()).device
    found = [objects.cutouts.lab.new_zeros(0, *objects.cutouts.inside.shape[1:])]
    for start in range(0, len(objects), OBJECTS_AT_ONCE):
        run = slice(start, start + OBJECTS_AT_ONCE)
        logits = network.both_ways(
            objects.pictures[run].to(device).float(),
            objects.classes[run].to(device),
            objects.others[run].to(device).float(),
        )
        found.append(logits.to(objects.pictures.device))
    return torch.cat(found)


def learned_masks(
    image: np.ndarray, boxes: Tensor, classes: Tensor, network: CutoutNetwork
) -> CutoutMasks:
    """Masks for the boxes of an image.

    Their quality is the IoU that the network expects of them, that of the mask and of its
    probabilities, to the power of `DOUBT`.

    Args:
        image: uint8 (H, W, 3), RGB.
        boxes: (N, 4), XYXY in pixels, with an area in the image.
        classes: int64 (N,), the network's.
        network: in evaluation mode, on the device to compute on.
    """
    device = next(network.parameters()).device
    objects = KnownBoxes.of(image, boxes, classes, device)
    belief = beliefs(network, objects)
    logits = ColorModel().logits(objects.cutouts, FAITH * belief)
    inside = objects.cutouts.inside
    mask = (logits > 0) & inside
    share = belief.sigmoid() * inside
    common = (share * mask).flatten(1).sum(dim=1)
    either = torch.where(mask, 1.0, share).flatten(1).sum(dim=1)
    quality = (common / either.clamp(min=1e-6)).pow(DOUBT)
    size = (image.shape[0], image.shape[1])
    return CutoutMasks(boxes.to(device, torch.float32), logits.sigmoid(), quality, size)
