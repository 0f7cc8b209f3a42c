"""The page's gallery: images, each with panels of one size side by side; pictures as data."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from boxseg.errors import InputError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Panel:
    """One picture of an image.

    Attributes:
        label: whose picture it is: a method, `ground truth` or `image`. Panels of one label are
            one method, which the page lets one follow from image to image.
        alt: what the picture shows, in words, for those who cannot see it.
        png: the picture's file.
        drawn: whether anything is drawn on the image; where there is room for one picture only,
            those come first.
    """

    label: str
    alt: str
    png: bytes
    drawn: bool = True


@dataclass(frozen=True)
class GalleryImage:
    """One image in all its panels.

    Attributes:
        image: the image's identifier in its dataset.
        caption: what it is and by which rule it was chosen.
        panels: in the order in which they stand side by side.
    """

    image: str
    caption: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class PanelView:
    """A picture: `method` is its place in the gallery's list of methods; sizes in pixels."""

    method: int
    label: str
    alt: str
    source: str
    width: int
    height: int
    drawn: bool


@dataclass(frozen=True)
class ImageView:
    """An image with its pictures."""

    name: str
    caption: str
    panels: tuple[PanelView, ...]


@dataclass(frozen=True)
class GalleryView:
    """All images, and the labels of all their panels in order of their first appearance."""

    methods: tuple[str, ...]
    images: tuple[ImageView, ...]


def view_gallery(gallery: Sequence[GalleryImage]) -> GalleryView:
    """Prepare the gallery.

    Raises:
        InputError: a picture is no PNG, has no words for its content, or shares its label with
            another one of its image.
    """
    methods = tuple(dict.fromkeys(panel.label for image in gallery for panel in image.panels))
    place = {label: number for number, label in enumerate(methods)}
    images = []
    for image in gallery:
        labels = [panel.label for panel in image.panels]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise InputError(
                f"gallery image '{image.image}' has two panels '{twice[0]}'; name each method once."
            )
        panels = tuple(_view(image, panel, place[panel.label]) for panel in image.panels)
        images.append(ImageView(image.image, image.caption, panels))
    return GalleryView(methods, tuple(images))


def _view(image: GalleryImage, panel: Panel, method: int) -> PanelView:
    where = f"gallery image '{image.image}', panel '{panel.label}'"
    if not panel.alt.strip():
        raise InputError(f"{where} has no alternative text; say what it shows.")
    if not panel.png.startswith(_SIGNATURE) or panel.png[12:16] != b"IHDR":
        raise InputError(f"{where} is not a PNG; write it as one.")
    width, height = (int.from_bytes(panel.png[at : at + 4], "big") for at in (16, 20))
    source = f"data:image/png;base64,{base64.b64encode(panel.png).decode('ascii')}"
    return PanelView(method, panel.label, panel.alt, source, width, height, panel.drawn)
