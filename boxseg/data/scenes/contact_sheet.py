"""A sheet of scenes to look at: each image beside itself with its masks outlined."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from pycocotools import mask as coco_mask

from boxseg.data.dataset import Split
from boxseg.errors import InputError
from boxseg.files import read_json

_TILE = 192  # images are enlarged to about this many pixels
_GAP = 6
_LEGEND = 22
_PAPER = (255, 255, 255)
# Okabe and Ito's colours, which the colour-blind can tell apart, and two greys.
_OUTLINES = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (30, 30, 30),
)


def contact_sheet(split: Split, count: int, columns: int) -> Image.Image:
    """Draw the first scenes of a split, each plain and with outlines in its classes' colours.

    Args:
        split: one whose segmentations are RLE.
        count: scenes to draw; fewer if the split holds fewer.
        columns: pairs of images in a row.

    Raises:
        InputError: the annotations or an image cannot be read, or there is nothing to draw.
    """
    content = read_json(split.annotations)
    objects: dict[int, list[dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        objects.setdefault(annotation["image_id"], []).append(annotation)
    pairs = [
        _pair(split, image, objects.get(image["id"], [])) for image in content["images"][:count]
    ]
    if not pairs:
        raise InputError(f"{split.annotations} lists no image to draw; ask for one at least.")
    height, width = pairs[0].shape[:2]
    rows = -(-len(pairs) // columns)
    sheet = Image.new(
        "RGB",
        (columns * (width + 2 * _GAP), rows * (height + _GAP) + _LEGEND + _GAP),
        _PAPER,
    )
    for position, pair in enumerate(pairs):
        row, column = divmod(position, columns)
        corner = (column * (width + 2 * _GAP) + _GAP, row * (height + _GAP) + _GAP)
        sheet.paste(Image.fromarray(pair), corner)
    _write_legend(sheet, [category["name"] for category in content["categories"]])
    return sheet


def _pair(
    split: Split, image: dict[str, Any], objects: list[dict[str, Any]]
) -> npt.NDArray[np.uint8]:
    """An image, enlarged, beside itself with outlines: (H, 2 W + gap, 3)."""
    path = split.images / image["file_name"]
    try:
        with Image.open(path) as opened:
            plain = np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise InputError(f"cannot read the image {path}: {error}; generate it anew.") from error
    scale = max(1, round(_TILE / plain.shape[1]))
    plain = _enlarged(plain, scale)
    outlined = plain.copy()
    for annotation in objects:
        mask = _enlarged(coco_mask.decode(annotation["segmentation"]).astype(np.bool_), scale)
        outlined[_edge(mask)] = _OUTLINES[(annotation["category_id"] - 1) % len(_OUTLINES)]
    gap = np.full((plain.shape[0], _GAP // 2, 3), _PAPER, dtype=np.uint8)
    return np.concatenate([plain, gap, outlined], axis=1)


def _enlarged(pixels: npt.NDArray[Any], scale: int) -> npt.NDArray[Any]:
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def _edge(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of a mask within two pixels of its outside."""
    inner = mask
    for _ in range(2):
        edged = np.pad(inner, 1)
        inner = edged[1:-1, 1:-1] & edged[:-2, 1:-1] & edged[2:, 1:-1]
        inner = inner & edged[1:-1, :-2] & edged[1:-1, 2:]
    return mask & ~inner


def _write_legend(sheet: Image.Image, names: list[str]) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default_imagefont()  # a bitmap: the same in every Pillow
    x, y = _GAP, sheet.height - _LEGEND
    for position, name in enumerate(names):
        draw.rectangle((x, y + 3, x + 12, y + 13), fill=_OUTLINES[position % len(_OUTLINES)])
        draw.text((x + 17, y + 3), name, fill=(0, 0, 0), font=font)
        x += 17 + int(font.getbbox(name)[2]) + 16
