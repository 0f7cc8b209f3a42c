"""Masks by colours in and around known boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from boxseg.cutouts.color_masks import color_masks
from boxseg.cutouts.color_model import ColorModel, kinds_of_color
from boxseg.cutouts.cutouts import GRID, MOST_SAMPLES, Cutouts, enlarged
from boxseg.mask_overlap import mask_iou
from boxseg.trivial_masks import inscribed_ellipses

CPU = torch.device("cpu")


def boxes(*corners: list[float]) -> torch.Tensor:
    return torch.tensor(corners, dtype=torch.float64)


def painted(shape: torch.Tensor, seed: int = 0) -> np.ndarray:
    """A noisy orange shape, bool (H, W), on noisy blue, so that brightness alone says little."""
    noise = np.random.default_rng(seed).integers(-12, 13, (*shape.shape, 3))
    colors = np.where(shape[..., None].numpy(), [200, 120, 40], [60, 110, 190])
    return (colors + noise).clip(0, 255).astype(np.uint8)


def cross(height: int, width: int, box: tuple[int, int, int, int]) -> torch.Tensor:
    """Two bars through the middle of a box, which an ellipse is a poor mask of."""
    x0, y0, x1, y1 = box
    shape = torch.zeros(height, width, dtype=torch.bool)
    third, other = (y1 - y0) // 3, (x1 - x0) // 3
    shape[y0 + third : y1 - third, x0:x1] = True
    shape[y0:y1, x0 + other : x1 - other] = True
    return shape


def test_a_shape_of_its_own_colour_is_found() -> None:
    true = cross(90, 120, (30, 20, 84, 74))
    box = boxes([30, 20, 84, 74])
    found = color_masks(painted(true), box, CPU)
    ellipse = mask_iou(inscribed_ellipses(box, 90, 120), true[None])
    assert mask_iou(found.masks(slice(None)), true[None]) > 0.93 > 0.7 > ellipse


def test_masks_of_small_and_of_large_objects_are_alike() -> None:
    for scale in (1, 4):
        box = (10 * scale, 6 * scale, 28 * scale, 24 * scale)
        true = cross(30 * scale, 40 * scale, box)
        found = color_masks(painted(true), boxes(list(map(float, box))), CPU)
        assert mask_iou(found.masks(slice(None)), true[None]) > 0.85


def test_where_colours_say_nothing_there_is_the_ellipse() -> None:
    plain = np.full((60, 80, 3), 127, dtype=np.uint8)
    box = boxes([20, 10, 60, 50])
    quiet = ColorModel(smoothness=0.0)
    found = color_masks(plain, box, CPU, quiet).masks(slice(None))
    assert mask_iou(found, inscribed_ellipses(box, 60, 80)) > 0.97


def test_a_mask_stays_within_its_box_and_the_image() -> None:
    true = cross(60, 80, (0, 0, 80, 60))
    all_of_it, beyond = boxes([0, 0, 80, 60]), boxes([50, 30, 80, 60])
    found = color_masks(painted(true), torch.cat((all_of_it, beyond)), CPU)
    masks = found.masks(slice(None))
    assert masks.shape == (2, 60, 80)
    assert mask_iou(masks[:1], true[None]) > 0.6  # nothing is around it that would be background
    assert not masks[1, :30].any() and not masks[1, :, :50].any()


def test_the_quality_tells_a_plain_case_from_a_hidden_one() -> None:
    true = cross(90, 120, (30, 20, 84, 74))
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    box = boxes([30, 20, 84, 74])
    plain, hidden = (color_masks(picture, box, CPU) for picture in (painted(true), noise))
    assert 0 <= float(hidden.quality) < float(plain.quality) <= 1
    assert float(plain.quality) > 0.85


def test_every_object_is_labelled_by_itself() -> None:
    shapes = [cross(90, 120, (10, 10, 46, 46)), cross(90, 120, (60, 30, 114, 84))]
    picture = painted(shapes[0] | shapes[1])
    both = boxes([10, 10, 46, 46], [60, 30, 114, 84])
    together = color_masks(picture, both, CPU)
    for place, box in enumerate(both):
        alone = color_masks(picture, box[None], CPU)
        torch.testing.assert_close(alone.probabilities[0], together.probabilities[place])
        assert torch.equal(alone.masks(slice(None))[0], together.masks(slice(place, place + 1))[0])


def test_no_boxes_have_no_masks() -> None:
    found = color_masks(np.zeros((8, 9, 3), np.uint8), boxes().reshape(0, 4), CPU)
    assert found.masks(slice(None)).shape == (0, 8, 9) and len(found.quality) == 0


def test_a_cut_out_is_the_box_and_its_surroundings() -> None:
    # A red box on black: the middle cells are red, those outside the box black, and what is beyond
    # the image's left edge is neither inside nor outside.
    picture = torch.zeros(3, 40, 50)
    picture[0, 10:30, 2:22] = 255
    cutouts = Cutouts.of(picture, boxes([2, 10, 22, 30]).float())
    assert enlarged(boxes([2, 10, 22, 30])).tolist() == [[-4, 4, 28, 36]]
    lightness = cutouts.lab[0, 0]
    assert lightness[GRID // 2, GRID // 2] > 50 and abs(lightness[2, GRID // 2]) < 1e-3
    assert cutouts.inside[0].float().mean() == pytest.approx(1 / 1.6**2, abs=0.03)
    # 4 of 32 columns are beyond the edge.
    assert not (cutouts.inside | cutouts.outside)[0, :, : GRID // 8].any()
    assert (cutouts.inside | cutouts.outside)[0, :, GRID // 8 :].all()


def test_kinds_are_the_colours_there_are() -> None:
    lab = torch.zeros(1, 3, GRID, GRID)
    lab[:, 0, :, GRID // 2 :] = 80
    kinds = kinds_of_color(lab, 4)[0]
    left, right = kinds[:, : GRID // 2], kinds[:, GRID // 2 :]
    assert len(left.unique()) == len(right.unique()) == 1 and left[0, 0] != right[0, 0]


def test_on_a_prior_that_is_all_colours_do_not_count() -> None:
    true = cross(90, 120, (30, 20, 84, 74))
    box = boxes([30, 20, 84, 74])
    stubborn = replace(ColorModel(), prior=1000.0)
    found = color_masks(painted(true), box, CPU, stubborn).masks(slice(None))
    assert mask_iou(found, inscribed_ellipses(box, 90, 120)) > 0.97


def test_cells_of_large_objects_have_the_mean_colours_of_small_ones() -> None:
    """Of more pixels than are sampled: a slope is the same slope at any size."""

    def slope(factor: int) -> torch.Tensor:
        across, down = ((torch.arange(side * factor) + 0.5) / factor for side in (50, 40))
        red, green = 4 * across.expand(len(down), -1), 5 * down[:, None].expand(-1, len(across))
        return torch.stack((red, green, torch.full_like(red, 90)))

    box = torch.tensor([[15.0, 12.0, 35.0, 28.0]])
    assert MOST_SAMPLES * GRID < 1.6 * 20 * 40
    small, large = Cutouts.of(slope(2), 2 * box), Cutouts.of(slope(40), 40 * box)
    torch.testing.assert_close(small.lab, large.lab, atol=0.05, rtol=0)
    assert torch.equal(small.inside, large.inside) and torch.equal(small.outside, large.outside)
