"""Which part of a training image is seen, and how large: short sides, or large-scale jitter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from detectron2.data import transforms as T
from PIL import Image


def resized_shape(height: int, width: int, short_side: int, max_side: int) -> tuple[int, int]:
    """Size at which the short side is `short_side`, unless the long one would pass `max_side`.

    However thin the image, a pixel is left of its short side.
    """
    shape = T.ResizeShortestEdge.get_output_shape(height, width, short_side, max_side)
    return max(shape[0], 1), max(shape[1], 1)


@dataclass(frozen=True)
class Part:
    """A rectangle of an image, whole or not.

    Attributes:
        left, top, right, bottom: in pixels of the image, between which it may end.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """In pixels of the image."""
        return self.bottom - self.top

    @property
    def width(self) -> float:
        """In pixels of the image."""
        return self.right - self.left

    def resized(self, image: np.ndarray, height: int, width: int) -> np.ndarray:
        """The part of an image, uint8 (H, W, 3), at another size: uint8 (height, width, 3)."""
        box = (self.left, self.top, self.right, self.bottom)
        resampled = Image.fromarray(image).resize(
            (width, height), Image.Resampling.BILINEAR, box=box
        )
        return np.asarray(resampled)


@dataclass(frozen=True)
class Resized:
    """How an image becomes a training image, but for mirroring.

    Attributes:
        steps: that pixels, boxes and masks go through.
        height, width: of the training image, in pixels.
        part: of the original image that is seen.
    """

    steps: list[T.Transform]
    height: int
    width: int
    part: Part


class Resizing(Protocol):
    """Draws the size of a training image, and what is seen of the original."""

    def __call__(self, height: int, width: int, rng: np.random.Generator) -> Resized:
        """For an image of this size, in pixels; what is random is drawn from `rng`."""
        ...


class ShortSides:
    """The whole image, with one of several short sides.

    Args:
        short_sides: in pixels.
        max_side: limit of the long side, in pixels.
    """

    def __init__(self, short_sides: Sequence[int], max_side: int) -> None:
        self.short_sides = tuple(short_sides)
        self.max_side = max_side

    def __call__(self, height: int, width: int, rng: np.random.Generator) -> Resized:
        short_side = self.short_sides[int(rng.integers(len(self.short_sides)))]
        size = resized_shape(height, width, short_side, self.max_side)
        steps: list[T.Transform] = [T.ResizeTransform(height, width, *size)]
        return Resized(steps, *size, Part(0, 0, width, height))


class LargeScaleJitter:
    """An image resized by far, and a part cut out of what is then larger than a square.

    Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
    Segmentation", CVPR 2021. An image that is smaller than the square is padded no further than its
    batch.

    Args:
        side: of the square, in pixels.
        least, greatest: bounds of the scale that is drawn: an image fits a square of scale x side.
    """

    def __init__(self, side: int, least: float = 0.1, greatest: float = 2.0) -> None:
        self.side = side
        self.least = least
        self.greatest = greatest

    def __call__(self, height: int, width: int, rng: np.random.Generator) -> Resized:
        factor = rng.uniform(self.least, self.greatest) * self.side / max(height, width)
        whole = [max(round(length * factor), 1) for length in (height, width)]
        cut = [min(length, self.side) for length in whole]
        top, left = (int(rng.integers(a - b + 1)) for a, b in zip(whole, cut, strict=True))
        steps: list[T.Transform] = [
            T.ResizeTransform(height, width, *whole),
            T.CropTransform(left, top, cut[1], cut[0], whole[1], whole[0]),
        ]
        rows, columns = height / whole[0], width / whole[1]
        part = Part(left * columns, top * rows, (left + cut[1]) * columns, (top + cut[0]) * rows)
        return Resized(steps, cut[0], cut[1], part)
