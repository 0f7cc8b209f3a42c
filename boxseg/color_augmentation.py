"""The student's strong augmentation of colours (BoxTeacher; method notes, "Teacher")."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from boxseg.errors import InputError
from boxseg.host_draws import draw_order, draw_uniform

BLUR_SIDE = 3
"""Of the Gaussian's kernel, in pixels, as in the published code."""

ADJUSTMENTS = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


class StrongColors:
    """Colour jitter, greyscale and blur, each with its own probability.

    The random choices are those of torchvision's `RandomApply`, `ColorJitter`, `RandomGrayscale`
    and `GaussianBlur`, number by number, from a generator that was given the seed. Torchvision asks
    a tensor for each of them; here they are drawn on the host.

    Args:
        jitter: of brightness, contrast, saturation and hue.
        jitter_probability, greyscale_probability, blur_probability: per image.
        blur_sigma: range of the Gaussian's standard deviation, in pixels of the published code's
            images.
        pixel: length of one of those pixels in the images given, in (0, 1]. The three taps have the
            variance of the published ones times its square.
        channel_order: of the images, "BGR" or "RGB".

    Raises:
        InputError: `pixel` is out of range.
    """

    def __init__(
        self,
        jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1),
        jitter_probability: float = 0.8,
        greyscale_probability: float = 0.2,
        blur_probability: float = 0.5,
        blur_sigma: tuple[float, float] = (0.1, 2.0),
        pixel: float = 1.0,
        channel_order: str = "BGR",
    ) -> None:
        if not 0 < pixel <= 1:
            raise InputError(
                f"the blur's pixel is {pixel}, and three taps cannot blur further than those of "
                "the published code; set it to a length above 0 and up to 1."
            )
        self.jitter = jitter
        self.jitter_probability = jitter_probability
        self.greyscale_probability = greyscale_probability
        self.blur_probability = blur_probability
        self.blur_sigma = blur_sigma
        self.pixel = pixel
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
            drawn = float(draw_uniform(1, generator, *self.blur_sigma)[0])
            sigma = sigma_of_taps(drawn, self.pixel)
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


def sigma_of_taps(sigma: float, pixel: float) -> float:
    """Standard deviation of a Gaussian whose three taps blur as far as another's in larger images.

    Three taps a, 1 - 2a, a have the variance 2a whatever Gaussian they are cut from.

    Args:
        sigma: of the other, in pixels of its images.
        pixel: length of such a pixel here, in (0, 1].
    """
    beside = math.exp(-0.5 / sigma**2)
    if pixel == 1 or beside == 0:  # as it is, or no blur that a number could tell
        return sigma
    tap = pixel**2 * beside / (1 + 2 * beside)
    return math.sqrt(-0.5 / math.log(tap / (1 - 2 * tap)))


def happens(probability: float, generator: torch.Generator) -> bool:
    """Whether something of this probability happens; drawn, and compared in single precision."""
    return bool(draw_uniform(1, generator)[0] < np.float32(probability))
