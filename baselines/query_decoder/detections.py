"""From queries to detections at the original image's size, as Mask2Former and Box2Mask have it.

A query is as many detections as it has likely classes; its box is that of its mask, and its score
the class's probability times the mean probability of the mask's foreground. Nothing is suppressed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from detectron2.structures import Boxes, Instances
from torch import Tensor

from boxseg.box_masks import tight_boxes
from boxseg.encoded_masks import EncodedMasks, mask_chunks
from boxseg.mask_rescoring import mean_foreground_probability

Enlargement = Callable[[Tensor, int], Tensor]
"""Maps (K, 1, h, w) so many times as large, such as `boxseg.aligned_upsample.aligned_upsample`."""


def bilinear(maps: Tensor, factor: int) -> Tensor:
    """The released code's enlargement: a cell's value is at the middle of its pixels."""
    if factor == 1:
        return maps
    return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)


def detections(
    class_logits: Tensor,
    mask_logits: Tensor,
    stride: int,
    size: tuple[int, int],
    original: tuple[int, int],
    most: int,
    enlarge: Enlargement,
) -> Instances:
    """The detections of one image.

    Args:
        class_logits: (Q, classes + 1); the last class is no object.
        mask_logits: (Q, h, w), at the stride.
        stride: of the masks, in pixels of the network's input.
        size: (height, width) of the network's input without padding.
        original: (height, width) of the original image.
        most: detections, the likeliest pairs of query and class.
        enlarge: of the masks' logits to the network's input.

    Returns:
        `pred_boxes`, `scores`, `pred_classes`, `pred_masks` (`EncodedMasks`), best class first. A
        mask without foreground has the score 0 and an empty box.
    """
    likely = class_logits.softmax(dim=1)[:, :-1]
    scores, places = likely.flatten().topk(min(most, likely.numel()))
    queries, classes = places // likely.shape[1], places % likely.shape[1]
    used, rank = queries.unique(return_inverse=True)
    masks, boxes, trust = [], [], []
    pixels = max(size[0] * size[1], original[0] * original[1])
    for run in mask_chunks(len(used), pixels):
        fine = enlarge(mask_logits[used[run], None], stride)[..., : size[0], : size[1]]
        if size != original:
            fine = F.interpolate(fine, size=original, mode="bilinear", align_corners=False)
        foreground = fine[:, 0] > 0
        masks.append(EncodedMasks.of(foreground))
        boxes.append(tight_boxes(foreground))
        trust.append(mean_foreground_probability(fine[:, 0].sigmoid()))
    found = Instances(original)
    found.pred_boxes = Boxes(torch.cat(boxes)[rank])
    found.scores = scores * torch.cat(trust)[rank]
    found.pred_classes = classes
    found.pred_masks = EncodedMasks.cat(masks)[rank]
    return found
