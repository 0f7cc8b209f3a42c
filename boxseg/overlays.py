"""Drawing predictions over their image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import maximum_filter, minimum_filter
from torch import Tensor

from boxseg.encoded_masks import EncodedMasks
from boxseg.fonts import readable

COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Told apart by every kind of colour vision (Okabe and Ito, "Color Universal Design", 2008)."""

LEAST_SIDE, GREATEST_SIDE = 600, 2048
"""Range of a picture's long side, in pixels: labels have to be readable, and files bearable."""

_FILL = 0.4
_LIGHT = 0.4  # relative luminance above which black is read better than white


def picture_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the picture of an image; small images are enlarged, huge ones reduced."""
    long_side = max(width, height)
    factor = min(max(long_side, LEAST_SIDE), GREATEST_SIDE) / long_side
    return max(round(width * factor), 1), max(round(height * factor), 1)


def draw_overlay(
    pixels: np.ndarray,
    boxes: np.ndarray,
    masks: Sequence[np.ndarray] | np.ndarray | EncodedMasks,
    labels: Sequence[str],
) -> Image.Image:
    """Masks, boxes and labels over an image, the first of them in front.

    Every line and letter has a dark and a bright part, so that it shows on light and dark images.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        boxes: (K, 4), XYXY in pixels of the image.
        masks: K, each bool (h, w), of the whole image, at any size; one is looked at at a time.
        labels: K of them.

    Returns:
        RGB, of `picture_size`.
    """
    height, width = pixels.shape[:2]
    size = picture_size(width, height)
    picture = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BILINEAR)
    line = max(round(max(size) / 500), 1)
    factors = np.tile(np.divide(size, (width, height)), 2)
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * factors
    order = range(len(labels) - 1, -1, -1)
    for index in order:
        _draw_mask(picture, masks[index], COLOURS[index % len(COLOURS)], line)
    draw = ImageDraw.Draw(picture)
    for index in order:
        x0, y0, x1, y1 = (round(float(side)) for side in corners[index])
        corner1 = (max(min(x1, size[0]) - 1, x0), max(min(y1, size[1]) - 1, y0))
        draw.rectangle(((x0, y0), corner1), outline="black", width=2 * line)
        draw.rectangle(((x0, y0), corner1), outline=COLOURS[index % len(COLOURS)], width=line)
    letters = max(round(max(size) / 55), 11)
    for index in order:
        colour = COLOURS[index % len(COLOURS)]
        label, file = readable(labels[index])
        font = ImageFont.truetype(str(file), letters)
        _draw_label(draw, size, corners[index], label, colour, font)
    return picture


def _draw_mask(picture: Image.Image, mask: np.ndarray | Tensor, colour: str, line: int) -> None:
    """Tint the mask's area, and draw its outline in its colour within a black one."""
    area = Image.fromarray(np.asarray(mask, dtype=np.uint8) * 255)
    area = area.resize(picture.size, Image.Resampling.BILINEAR).point(lambda v: 255 * (v > 127))
    found = area.getbbox()
    if found is None:
        return
    left, top = (max(side - 2 * line, 0) for side in found[:2])
    right, bottom = (
        min(side + 2 * line, most) for side, most in zip(found[2:], picture.size, strict=True)
    )
    area = area.crop((left, top, right, bottom))
    picture.paste(colour, (left, top), area.point(lambda v: int(v * _FILL)))
    side = 2 * line + 1
    values = np.asarray(area)
    outside = maximum_filter(values, side, mode="nearest") - values
    inside = values - minimum_filter(values, side, mode="nearest")
    picture.paste("black", (left, top), Image.fromarray(outside))
    picture.paste(colour, (left, top), Image.fromarray(inside))


def _draw_label(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    corners: np.ndarray,
    label: str,
    colour: str,
    font: ImageFont.FreeTypeFont,
) -> None:
    """Write the label at its box's upper left corner, above it where there is room."""
    _, _, right, bottom = draw.textbbox((2, 2), label, font=font)
    width, height = int(right) + 2, int(bottom) + 2
    x = max(min(round(float(corners[0])), size[0] - width), 0)
    y = round(float(corners[1])) - height
    y = max(min(y if y >= 0 else round(float(corners[1])), size[1] - height), 0)
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour, outline="black")
    text = "black" if _luminance(colour) > _LIGHT else "white"
    draw.text((x + 2, y + 2), label, fill=text, font=font)


def _luminance(colour: str) -> float:
    """Relative luminance of "#RRGGBB", in [0, 1] (ITU-R BT.709, gamma taken as 2.2)."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return float(0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2)
