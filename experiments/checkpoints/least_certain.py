"""The contact sheet of the objects whose masks are least certain, of whatever made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from boxseg.contact_sheet import Cutting, cutting_of, write_contact_sheet
from boxseg.data.image_reader import decode_image
from boxseg.export.annotated import AnnotatedObject

SHEET = 400
"""Objects on the contact sheet, at most: so many are looked through in a quarter of an hour."""


@dataclass(frozen=True)
class Shown:
    """An object that may stand on the sheet.

    Attributes:
        picture: the image's file.
        where: what to call its place.
        object: box and mask.
        quality: in [0, 1]; None for one without a mask, which comes first.
        unsure: the mask is not to be relied on, or there is none.
    """

    picture: Path
    where: str
    object: AnnotatedObject
    quality: float | None
    unsure: bool = False


def write_least_certain(out: Path, title: str, told: str, objects: Sequence[Shown]) -> Path:
    """Write `contact-sheet.html` with the `SHEET` least certain objects, worst first.

    Args:
        out: folder to write to.
        title: of the page.
        told: below it; how many are shown is added.
        objects: of which they are.

    Raises:
        InputError: it cannot be written, or an image cannot be read any more.
    """
    ordered = sorted(objects, key=lambda one: -1.0 if one.quality is None else one.quality)[:SHEET]
    told = f"{told} Shown are the {len(ordered)} least certain, worst first."
    return write_contact_sheet(out / "contact-sheet.html", title, told, _cuttings(ordered))


def _cuttings(ordered: Sequence[Shown]) -> list[Cutting]:
    """Pictures of objects; each image is decoded once, and one of them in memory at a time."""
    pictures: dict[int, Image.Image] = {}
    for file in dict.fromkeys(one.picture for one in ordered):
        pixels = decode_image(file).pixels
        for place, one in enumerate(ordered):
            if one.picture == file:
                mask = None if one.object.mask is None else one.object.dense()
                pictures[place] = cutting_of(pixels, one.object.box, mask)
    return [
        Cutting(pictures[place], one.object.name, one.where, one.quality, one.unsure)
        for place, one in enumerate(ordered)
    ]
