"""CIE LAB against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from boxseg.color import rgb_to_lab


def test_equals_scikit_image() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    rgb[0, :3] = np.arange(50, dtype=np.uint8)[:, None] // 3  # dark: the linear part of the curve
    ours = rgb_to_lab(torch.from_numpy(rgb).permute(0, 3, 1, 2).float())
    theirs = np.stack([rgb2lab(image) for image in rgb])
    np.testing.assert_allclose(ours.permute(0, 2, 3, 1), theirs, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0, 0)),
    ],
)
def test_known_colours(rgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    found = rgb_to_lab(torch.tensor(rgb, dtype=torch.float32)[:, None, None]).flatten()
    np.testing.assert_allclose(found, lab, atol=0.02)


def test_any_leading_shape() -> None:
    rgb = 255 * torch.rand(2, 4, 3, 5, 6)
    whole = rgb_to_lab(rgb)
    assert whole.shape == rgb.shape
    # Kernels round otherwise where a vector ends. a = 500 (x - y) with x and y up to 1, whose last
    # bit is 6e-8: two bits of each are 500 x 4 x 6e-8 = 1.2e-4. Pixels that change places are tens
    # apart.
    torch.testing.assert_close(whole[1, 2], rgb_to_lab(rgb[1, 2]), rtol=0, atol=1.2e-4)
