"""The network that is shown cut-outs."""

from __future__ import annotations

import torch

from boxseg.cutouts.cutouts import GRID, PIXELS_OF_A_CELL, pictures
from boxseg.cutouts.network import CutoutNetwork

PIXELS = GRID * PIXELS_OF_A_CELL


def shown(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    pixels = 255 * torch.rand(count, 3, PIXELS, PIXELS, generator=generator)
    classes = torch.arange(count) % 2
    return pixels, classes, 3 * torch.rand(count, 2, GRID, GRID, generator=generator)


def network() -> CutoutNetwork:
    torch.manual_seed(0)
    return CutoutNetwork(classes=2, pretrained=False).eval()


def test_it_looks_at_all_that_it_is_told() -> None:
    net = network()
    pixels, classes, others = shown(2)
    with torch.no_grad():
        before = net(pixels, classes, others)
        assert before.shape == (2, GRID, GRID) and before.dtype == torch.float32
        for changed in (
            net(255 - pixels, classes, others),
            net(pixels, 1 - classes, others),
            net(pixels, classes, others.flip(1)),
        ):
            assert (changed - before).abs().flatten(1).amax(dim=1).min() > 1e-5


def test_an_object_does_not_depend_on_its_batch() -> None:
    net = network()
    pixels, classes, others = shown(3)
    with torch.no_grad():
        together = net(pixels, classes, others)
        alone = net(pixels[1:2], classes[1:2], others[1:2])
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-4)


def test_both_ways_a_mirrored_object_has_the_mirrored_map() -> None:
    net = network()
    pixels, classes, others = shown(1)
    found = net.both_ways(pixels, classes, others)
    mirrored = net.both_ways(pixels.flip(3), classes, others.flip(3))
    torch.testing.assert_close(mirrored.flip(2), found, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        assert (found - net(pixels, classes, others)).abs().max() > 1e-5


def test_a_picture_shows_the_box_and_its_margin() -> None:
    image = torch.zeros(3, 40, 80)
    image[0, 10:30, 20:60] = 200  # red in the box, and nowhere else
    (picture,) = pictures(image, torch.tensor([[20.0, 10.0, 60.0, 30.0]]))
    assert picture.shape == (3, PIXELS, PIXELS) and picture.dtype == torch.uint8
    inside = slice(round(0.22 * PIXELS), round(0.78 * PIXELS))  # a margin of 0.3 / 1.6 is 0.1875
    assert (picture[0, inside, inside] == 200).all() and (picture[1:] == 0).all()
    assert (picture[0, : round(0.15 * PIXELS)] == 0).all()
