"""The student's strong augmentation of colours (BoxTeacher; method notes, "Teacher")."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from boxseg.host_draws import draw_order, draw_uniform

BLUR_SIDE = 9
"""Of the Gaussian's kernel, in pixels."""

ADJUSTMENTS = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


class StrongColors:
    """Colour jitter, greyscale and blur, each with its own probability.

    The random choices are those of torchvision's `RandomApply`, `ColorJitter`, `RandomGrayscale`
    and `GaussianBlur`, number by number, from a generator that was given the seed. Torchvision asks
    a tensor for each of them; here they are drawn on the host.

    Args:
        jitter: of brightness, contrast, saturation and hue.
        jitter_probability, greyscale_probability, blur_probability: per image.
        blur_sigma: range of the Gaussian's standard deviation, in pixels.
        channel_order: of the images, "BGR" or "RGB".
    """

    def __init__(
        self,
        jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1),
        jitter_probability: float = 0.8,
        greyscale_probability: float = 0.2,
        blur_probability: float = 0.5,
        blur_sigma: tuple[float, float] = (0.1, 2.0),
        channel_order: str = "BGR",
    ) -> None:
        self.jitter = jitter
        self.jitter_probability = jitter_probability
        self.greyscale_probability = greyscale_probability
        self.blur_probability = blur_probability
        self.blur_sigma = blur_sigma
        self.channel_order = channel_order

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """A changed copy of an image.

        Args:
            image: uint8 (3, H, W).
            seed: of every random choice; the global generator is left as it was.
        """
        generator = torch.Generator().manual_seed(seed)
        changed = image.flip(0) if self.channel_order == "BGR" else image
        if happens(self.jitter_probability, generator):
            changed = self.jittered(changed, generator)
        if happens(self.greyscale_probability, generator):
            changed = F.rgb_to_grayscale(changed, num_output_channels=3)
        if happens(self.blur_probability, generator):
            sigma = float(draw_uniform(1, generator, *self.blur_sigma)[0])
            changed = F.gaussian_blur(changed, [BLUR_SIDE, BLUR_SIDE], [sigma, sigma])
        return changed.flip(0) if self.channel_order == "BGR" else changed

    def jittered(self, rgb: Tensor, generator: torch.Generator) -> Tensor:
        """Brightness, contrast, saturation and hue changed in a random order."""
        order = draw_order(len(ADJUSTMENTS), generator)
        brightness, contrast, saturation, hue = self.jitter
        ranges = [(max(1 - width, 0.0), 1 + width) for width in (brightness, contrast, saturation)]
        # What is not to be changed takes no draw.
        factors = [
            float(draw_uniform(1, generator, lowest, highest)[0]) if lowest < highest else None
            for lowest, highest in (*ranges, (-hue, hue))
        ]
        for place in order:
            factor = factors[place]
            if factor is not None:
                rgb = ADJUSTMENTS[place](rgb, factor)
        return rgb


def happens(probability: float, generator: torch.Generator) -> bool:
    """Whether something of this probability happens; drawn, and compared in single precision."""
    return bool(draw_uniform(1, generator)[0] < np.float32(probability))
