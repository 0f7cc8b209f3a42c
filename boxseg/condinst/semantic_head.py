"""An auxiliary semantic-segmentation loss on the finest pyramid level (CondInst's option)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from detectron2.structures import Instances
from torch import Tensor, nn

from boxseg.condinst.fcos_losses import focal_loss
from boxseg.condinst.mask_branch import convolution_block
from boxseg.engine.distributed import shared_divisor
from boxseg.mask_supervision import sampled_masks


class SemanticHead(nn.Module):
    """Two convolution blocks and class logits, trained with the focal loss on true masks.

    Where masks overlap, the smallest wins.

    Args:
        in_feature: name of the pyramid level.
        in_channels: of the pyramid.
        channels: of the blocks.
        num_classes: foreground classes.
        stride: of the level, in pixels.
    """

    def __init__(
        self, in_feature: str, in_channels: int, channels: int, num_classes: int, stride: int
    ) -> None:
        super().__init__()
        self.in_feature = in_feature
        self.stride = stride
        self.seg_head = nn.Sequential(
            convolution_block(in_channels, channels), convolution_block(channels, channels)
        )
        self.logits = nn.Conv2d(channels, num_classes, 1)
        assert self.logits.bias is not None
        nn.init.constant_(self.logits.bias, -math.log(0.99 / 0.01))

    def loss(self, pyramid: Mapping[str, Tensor], objects: Sequence[Instances]) -> Tensor:
        """Focal loss per foreground pixel of the level."""
        logits = self.logits(self.seg_head(pyramid[self.in_feature])).float()
        batch, num_classes, height, width = logits.shape
        labels = torch.full(
            (batch, height, width), num_classes, dtype=torch.int64, device=logits.device
        )
        for image, image_objects in enumerate(objects):
            if len(image_objects) == 0:
                continue
            masks = sampled_masks(image_objects, self.stride, height, width)
            areas = image_objects.gt_masks.tensor.sum(dim=(1, 2)).to(logits.device).float()
            claimed = areas[:, None, None].where(
                masks, torch.full_like(areas, math.inf)[:, None, None]
            )
            smallest, choice = claimed.min(dim=0)
            covered = smallest.isfinite()
            labels[image][covered] = image_objects.gt_classes.to(logits.device)[choice[covered]]
        num_positives = shared_divisor(int((labels != num_classes).sum()), 1, logits.device)
        flat = logits.permute(0, 2, 3, 1).flatten(0, 2)
        return focal_loss(flat, labels.flatten()) / num_positives
