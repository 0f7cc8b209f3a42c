"""Predictions drawn over their image."""

from __future__ import annotations

import numpy as np
import pytest

from boxseg.overlays import COLOURS, GREATEST_SIDE, LEAST_SIDE, draw_overlay, picture_size


def square(height: int, width: int) -> np.ndarray:
    """A mask of one object in the middle: bool (1, height, width)."""
    mask = np.zeros((1, height, width), dtype=bool)
    mask[0, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    return mask


def middle_box(height: int, width: int) -> np.ndarray:
    return np.array([[width / 4, height / 4, 3 * width / 4, 3 * height / 4]])


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((640, 480), (640, 480)),
        ((60, 40), (LEAST_SIDE, 400)),
        ((8000, 4000), (GREATEST_SIDE, 1024)),
        ((1, 5000), (1, GREATEST_SIDE)),
        ((1, 1), (LEAST_SIDE, LEAST_SIDE)),
    ],
)
def test_sizes(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert picture_size(*size) == drawn


@pytest.mark.parametrize("grey", [0, 255], ids=["dark", "light"])
def test_every_part_can_be_told_from_dark_and_light_images(grey: int) -> None:
    pixels = np.full((600, 600, 3), grey, np.uint8)
    picture = np.asarray(draw_overlay(pixels, middle_box(600, 600), square(600, 600), ["cat 0.9"]))
    # Inside the mask the image is tinted: 0.4 of the colour, 0.6 of the image.
    tinted = picture[300, 300].astype(int)
    assert np.abs(tinted - (0.4 * rgb(COLOURS[0]) + 0.6 * grey)).max() <= 2
    # A row that crosses the outline and the box's side holds black, the colour and the image.
    row = {tuple(pixel) for pixel in picture[300, 140:160].tolist()}
    assert (0, 0, 0) in row
    assert tuple(rgb(COLOURS[0]).tolist()) in row
    # Far from the object nothing is drawn.
    assert (picture[500:, 500:] == grey).all()


def test_masks_of_another_size_than_the_image(grey: int = 128) -> None:
    pixels = np.full((600, 600, 3), grey, np.uint8)
    fine, coarse = (
        np.asarray(draw_overlay(pixels, middle_box(600, 600), square(side, side), ["a"]))
        for side in (600, 60)
    )
    assert (fine != coarse).any(axis=2).mean() < 0.01


def test_the_first_object_is_in_front() -> None:
    pixels = np.zeros((600, 600, 3), np.uint8)
    boxes, masks = (np.repeat(one, 2, axis=0) for one in (middle_box(600, 600), square(600, 600)))
    picture = np.asarray(draw_overlay(pixels, boxes, masks, ["first", "second"]))
    # 0.4 of the first's colour over 0.6 x 0.4 of the second's.
    expected = 0.4 * rgb(COLOURS[0]) + 0.24 * rgb(COLOURS[1])
    assert np.abs(picture[300, 300] - expected).max() <= 2


@pytest.mark.parametrize("place", [(0, 0, 20, 20), (590, 0, 600, 10), (580, 590, 600, 600)])
def test_labels_stay_within_the_picture(place: tuple[int, int, int, int]) -> None:
    pixels = np.full((600, 600, 3), 128, np.uint8)
    none = np.zeros((1, 600, 600), dtype=bool)
    with_label, without = (
        np.asarray(draw_overlay(pixels, np.array([place]), none, [label]))
        for label in ("a long label 0.99", "")
    )
    changed = (with_label != without).any(axis=2)
    height, width = (np.ptp(np.nonzero(changed)[axis]) for axis in (0, 1))
    assert width > 80  # the whole label at this size of letters
    assert height > 8


def test_nothing_found_leaves_the_image_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8)
    empty = np.zeros((0, 600, 700), dtype=bool)
    assert np.array_equal(np.asarray(draw_overlay(pixels, np.zeros((0, 4)), empty, [])), pixels)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (3, 2)])
def test_thin_and_tiny_images(size: tuple[int, int]) -> None:
    height, width = size
    pixels = np.zeros((height, width, 3), np.uint8)
    masks = np.ones((1, height, width), dtype=bool)
    picture = draw_overlay(pixels, np.array([[0, 0, width, height]]), masks, ["cat 0.9"])
    assert picture.size == picture_size(width, height)
