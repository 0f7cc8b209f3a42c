"""The student's strong augmentation of colours (BoxTeacher; method notes, "Teacher")."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms import v2


class StrongColors:
    """Colour jitter, greyscale and blur, each with its own probability.

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
        brightness, contrast, saturation, hue = jitter
        self.transform = v2.Compose(
            [
                v2.RandomApply(
                    [v2.ColorJitter(brightness, contrast, saturation, hue)], jitter_probability
                ),
                v2.RandomGrayscale(greyscale_probability),
                v2.RandomApply([v2.GaussianBlur(9, blur_sigma)], blur_probability),
            ]
        )
        self.channel_order = channel_order

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """A changed copy of an image.

        Args:
            image: uint8 (3, H, W).
            seed: of every random choice; the global generator is left as it was.
        """
        rgb = image.flip(0) if self.channel_order == "BGR" else image
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # of the CPU alone, as the fork
            changed: Tensor = self.transform(rgb)
        return changed.flip(0) if self.channel_order == "BGR" else changed
