"""Conditional convolutions: every object's own three-layer mask head, applied to its image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from boxseg.aligned_upsample import aligned_upsample
from boxseg.condinst.locations import cell_locations
from boxseg.ragged import counts_of

HIDDEN = 8
"""Channels of the hidden layers."""


class DynamicMaskHead(nn.Module):
    """Three 1x1 convolutions (8 hidden channels) whose parameters the controller predicts.

    The input of the first layer is the pixel's offset from the object's location, in units of the
    level's size of interest, and the mask features. Offset and bias are linear in what the objects
    of an image share, so the first layer is one matrix product per image and no object's input is
    ever assembled.

    Parameters of one object: the weights of all layers, first to last, each (out, in); then the
    biases of all layers. For C mask features these are 8 (C + 2) + 64 + 8 + 17 numbers: 169 for
    C = 8, 233 for C = 16.

    Args:
        feature_channels: C.
        feature_stride: of the mask features, in pixels.
        mask_stride: of the masks predicted, in pixels; divides `feature_stride`.
        level_scales: per pyramid level, what offsets are divided by, in pixels.
    """

    level_scales: Tensor

    def __init__(
        self,
        feature_channels: int,
        feature_stride: int,
        mask_stride: int,
        level_scales: Sequence[float],
    ) -> None:
        super().__init__()
        if feature_stride % mask_stride:
            raise ValueError(f"mask stride {mask_stride} must divide {feature_stride}")
        self.feature_channels = feature_channels
        self.feature_stride = feature_stride
        self.mask_stride = mask_stride
        scales = torch.tensor([float(scale) for scale in level_scales])
        self.register_buffer("level_scales", scales, persistent=False)
        self.sizes = (HIDDEN * (feature_channels + 2), HIDDEN * HIDDEN, HIDDEN, HIDDEN, HIDDEN, 1)

    @property
    def num_parameters(self) -> int:
        """Numbers the controller has to predict per object."""
        return sum(self.sizes)

    def forward(
        self,
        features: Tensor,
        parameters: Tensor,
        image_index: Tensor,
        locations: Tensor,
        level: Tensor,
        counts: Sequence[int] | None = None,
    ) -> Tensor:
        """Mask logits of P objects.

        Args:
            features: (B, C, H, W) mask features.
            parameters: (P, num_parameters).
            image_index: int64 (P,), the image of each object.
            locations: float32 (P, 2), x, y in pixels.
            level: int64 (P,), pyramid level of the cell that predicted the parameters.
            counts: how many of them are each image's, where one image's come after the other's;
                else they are sorted and counted here, and the host waits for the counts.

        Returns:
            float32 (P, h, w) at `mask_stride`.
        """
        # Pixel places are products here, and bfloat16 does not hold every whole number above 256.
        with torch.autocast(features.device.type, enabled=False):
            if counts is None:
                order = image_index.argsort(stable=True)
                counts = counts_of(image_index[order], len(features))
                sorted_logits = self._logits(
                    features, parameters[order], locations[order], level[order], counts
                )
                logits = sorted_logits[order.argsort()]
            else:
                logits = self._logits(features, parameters, locations, level, counts)
        return aligned_upsample(logits[:, None], self.feature_stride // self.mask_stride)[:, 0]

    def _logits(
        self,
        features: Tensor,
        parameters: Tensor,
        locations: Tensor,
        level: Tensor,
        counts: Sequence[int],
    ) -> Tensor:
        """Mask logits (P, H, W) at the features' stride; arguments as of `forward`."""
        count = len(parameters)
        _, channels, height, width = features.shape
        parameters = parameters.float()
        w1, w2, w3, b1, b2, b3 = parameters.split(self.sizes, dim=1)
        w1 = w1.reshape(count, HIDDEN, channels + 2)
        per_pixel = w1[..., :2] / self.level_scales.float()[level][:, None, None]
        shift = b1 + (per_pixel * locations[:, None]).sum(dim=2)
        first = torch.cat((w1[..., 2:], -per_pixel, shift[..., None]), dim=2)

        grid = cell_locations(height, width, self.feature_stride, features.device).T
        shared = torch.cat((grid, torch.ones_like(grid[:1])))
        second, third = w2.reshape(count, HIDDEN, HIDDEN), w3.reshape(count, 1, HIDDEN)
        # Image by image, so that what lies between the layers stays in a processor's cache.
        layers = (first, second, third, b2[..., None], b3[..., None])
        parts = zip(features, *(values.split(list(counts)) for values in layers), strict=True)
        logits = [
            _layers(torch.cat((maps.flatten(1).float(), shared)), *of_image)
            for maps, *of_image in parts
            if len(of_image[0])
        ]
        if not logits:  # without objects no gradient reaches the maps, not even one of zero
            logits = [_layers(shared.new_zeros(first.shape[2], shared.shape[1]), *layers)]
        return torch.cat(logits).reshape(count, height, width)


def _layers(
    pixels: Tensor, first: Tensor, second: Tensor, third: Tensor, bias2: Tensor, bias3: Tensor
) -> Tensor:
    """The three layers of one image's n objects, each with weights of its own: (n, 1, L) logits.

    Args:
        pixels: (C, L), the input that all share.
        first, second, third: (n, 8, C), (n, 8, 8) and (n, 1, 8).
        bias2, bias3: (n, 8, 1) and (n, 1, 1); the first layer's is among its weights.
    """
    hidden = (first.flatten(0, 1) @ pixels).unflatten(0, first.shape[:2]).relu_()
    hidden = torch.baddbmm(bias2, second, hidden).relu_()
    return torch.baddbmm(bias3, third, hidden)
