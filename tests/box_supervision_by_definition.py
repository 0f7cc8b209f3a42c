"""The terms of the box loss the slow way: pixel by pixel, as the published formulas have them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
from skimage.color import rgb2lab

DIRECTIONS = ((0, 1), (1, -1), (1, 0), (1, 1))
NEIGHBOURS = [d for d in itertools.product((-1, 0, 1), repeat=2) if d != (0, 0)]
Array = npt.NDArray[np.number | np.bool_]


def similarity_by_definition(
    image: Array, stride: int, p: tuple[int, int], q: tuple[int, int]
) -> float:
    """exp(-|c_p - c_q| / 2) of two cells of a (H, W, 3) RGB image."""
    colours = []
    for row, column in (p, q):
        block = image[row * stride : (row + 1) * stride, column * stride : (column + 1) * stride]
        mean = np.floor(block.reshape(-1, 3).mean(axis=0))
        colours.append(rgb2lab(mean[None, None] / 255)[0, 0])
    return math.exp(-np.linalg.norm(colours[0] - colours[1]) / 2)


def soft_image(height: int, width: int, seed: int) -> npt.NDArray[np.uint8]:
    """RGB, flat enough that neighbouring cells are similar about as often as not."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 12, (height, width, 3)) + np.array([120, 90, 140])).astype(np.uint8)


def pairwise_by_definition(
    logits: Array, related: Array, area: Array, box: Array, dilation: int
) -> tuple[float, float]:
    """Sum of the term and of its weights over every pixel's eight neighbours.

    A pixel's neighbour counts with the pixel's box mask, if they are related and the neighbour
    lies in the supervised area. `related` holds flattened pixel pairs, (h * w, h * w).
    """
    height, width = logits.shape
    sums = total = 0.0
    for row, column in itertools.product(range(height), range(width)):
        for down, right in NEIGHBOURS:
            y, x = row + dilation * down, column + dilation * right
            if not (0 <= y < height and 0 <= x < width and area[y, x]):
                continue
            weight = box[row, column] * related[row * width + column, y * width + x]
            p, q = (1 / (1 + math.exp(-z)) for z in (logits[row, column], logits[y, x]))
            sums += weight * -math.log(p * q + (1 - p) * (1 - q))
            total += weight
    return sums, total
