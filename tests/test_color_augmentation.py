"""The student's colours are torchvision's to the last digit, without asking the device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from boxseg.color_augmentation import StrongColors, sigma_of_taps
from boxseg.errors import InputError
from tools.read_backs import ReadBacks

PUBLISHED = ((0.4, 0.4, 0.4, 0.1), 0.8, 0.2, 0.5, (0.1, 2.0))
EVERYTHING = ((0.5, 0.9, 0.2, 0.5), 1.0, 1.0, 1.0, (0.5, 0.5))
NO_GREY = ((1.3, 0.4, 0.4, 0.3), 1.0, 0.0, 0.7, (0.1, 3.0))
IN_PART = ((0.5, 0.0, 0.2, 0.0), 0.7, 0.0, 0.0, (0.1, 2.0))


def image(seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, 17 + seed % 7, 23), dtype=torch.uint8, generator=random)


@pytest.mark.parametrize("choices", [PUBLISHED, EVERYTHING, NO_GREY, IN_PART])
@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_as_torchvision_draws_and_changes(choices: Any, order: str) -> None:
    jitter, jittered, grey, blurred, sigma = choices
    theirs = v2.Compose(
        [
            v2.RandomApply([v2.ColorJitter(*jitter)], jittered),
            v2.RandomGrayscale(grey),
            v2.RandomApply([v2.GaussianBlur(3, sigma)], blurred),
        ]
    )
    ours = StrongColors(jitter, jittered, grey, blurred, sigma, channel_order=order)
    state = torch.get_rng_state()
    changed = 0
    for seed in range(150):
        given = image(seed)
        before = given.clone()
        found = ours(given, seed * 7919)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(given, before)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed * 7919)
            rgb = given.flip(0) if order == "BGR" else given
            wanted = theirs(rgb)
        assert torch.equal(found, wanted.flip(0) if order == "BGR" else wanted), seed
        changed += not torch.equal(found, given)
    assert changed > 75


@pytest.mark.parametrize("sigma", [0.1, 0.4, 0.8, 2.0])
@pytest.mark.parametrize("pixel", [0.08, 0.24, 0.5, 0.9])
def test_a_blur_spreads_as_far_in_a_smaller_image(sigma: float, pixel: float) -> None:
    """Variance of the taps, in pixels of the published code's images, by torchvision's kernel."""

    def variance(sigma: float) -> float:
        line = torch.zeros(1, 1, 9, dtype=torch.float64)
        line[..., 4] = 1
        blurred = F.gaussian_blur(line.expand(1, 9, 9).clone(), [3, 1], [sigma, sigma])[0, 4]
        return float((blurred * (torch.arange(9) - 4.0) ** 2).sum())

    assert variance(sigma) > 0 or sigma == 0.1
    found = variance(sigma_of_taps(sigma, pixel)) / pixel**2
    assert found == pytest.approx(variance(sigma), rel=1e-4, abs=1e-12)
    assert sigma_of_taps(sigma, 1.0) == sigma


@pytest.mark.parametrize("pixel", [0.0, 1.1])
def test_a_pixel_that_three_taps_cannot_blur(pixel: float) -> None:
    with pytest.raises(InputError, match=r"set it to a length above 0 and up to 1"):
        StrongColors(pixel=pixel)


def test_nothing_is_read_back() -> None:
    colors = StrongColors()
    with ReadBacks() as found:
        for seed in range(30):
            colors(image(seed), seed)
    assert found.total == 0, found
