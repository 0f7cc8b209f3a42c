"""A page of cuttings with their masks, to look through: the least certain first."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from boxseg.files import write_text_atomically
from boxseg.overlays import draw_overlay

SIDE = 220
"""Pixels of a cutting's long side on the page."""
MARGIN = 0.15
"""Of the box's sides, that is shown around it."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.4 system-ui, sans-serif; margin: 1rem; background: #fff; color: #111; }}
ul {{ display: flex; flex-wrap: wrap; gap: .75rem; list-style: none; padding: 0; }}
li {{ width: {side}px; }}
figure {{ margin: 0; }}
img {{ max-width: 100%; display: block; }}
figcaption {{ font-size: .8rem; overflow-wrap: anywhere; }}
.unsure figcaption strong {{ color: #a33000; }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #111; color: #eee; }}
  .unsure figcaption strong {{ color: #ffb07c; }}
}}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{told}</p>
<ul>
{items}</ul>
</body>
</html>
"""


@dataclass(frozen=True)
class Cutting:
    """One object on the page.

    Attributes:
        picture: around the object, with its mask.
        name: of the category.
        where: the image and the annotation.
        quality: of the mask, in [0, 1]; None without one.
        unsure: the mask is not to be relied on, or there is none.
    """

    picture: Image.Image
    name: str
    where: str
    quality: float | None
    unsure: bool


def cutting_of(
    pixels: np.ndarray, box: tuple[float, float, float, float], mask: np.ndarray | None
) -> Image.Image:
    """Cut a box out of an image, with a margin, and draw box and mask over it.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        box: XYXY in pixels of the image, with an area inside of it.
        mask: bool (H, W) of the whole image, or None.
    """
    height, width = pixels.shape[:2]
    across, down = ((box[axis + 2] - box[axis]) * MARGIN for axis in (0, 1))
    left, top = max(int(box[0] - across), 0), max(int(box[1] - down), 0)
    right = min(int(np.ceil(box[2] + across)), width)
    bottom = min(int(np.ceil(box[3] + down)), height)
    inside = slice(top, bottom), slice(left, right)
    masks = np.zeros((1, bottom - top, right - left), dtype=bool)
    if mask is not None:
        masks[0] = mask[inside]
    corners = np.asarray([box]) - (left, top, left, top)
    picture = draw_overlay(pixels[inside], corners, masks, [""])
    picture.thumbnail((SIDE, SIDE))
    return picture


def write_contact_sheet(target: Path, title: str, told: str, cuttings: Iterable[Cutting]) -> Path:
    """Write the page, one file that needs no other.

    Args:
        target: the file.
        title: of the page.
        told: below the title, what is on it.
        cuttings: in the order to be shown.

    Raises:
        InputError: it cannot be written.
    """
    items = "".join(_item(one) for one in cuttings)
    page = _PAGE.format(title=html.escape(title), told=html.escape(told), items=items, side=SIDE)
    write_text_atomically(target, page)
    return target


def _item(one: Cutting) -> str:
    encoded = io.BytesIO()
    one.picture.convert("RGB").save(encoded, format="JPEG", quality=80)
    data = base64.b64encode(encoded.getvalue()).decode("ascii")
    name, where = html.escape(one.name), html.escape(one.where)
    quality = "no mask" if one.quality is None else f"quality {one.quality:.2f}"
    state = f"<strong>unsure</strong>, {quality}" if one.unsure else quality
    kind = ' class="unsure"' if one.unsure else ""
    return (
        f"<li{kind}><figure>"
        f'<img src="data:image/jpeg;base64,{data}" alt="{name}: {quality}, {where}" '
        f'width="{one.picture.width}" height="{one.picture.height}">'
        f"<figcaption>{name}: {state}<br>{where}</figcaption></figure></li>\n"
    )
