"""What the page's gallery shows: images, each with panels of the same size side by side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One picture of an image.

    Attributes:
        label: whose picture it is: a method, `ground truth` or `image`. Panels of one label are
            one method, which the page lets one follow from image to image.
        alt: what the picture shows, in words, for those who cannot see it.
        png: the picture's file.
    """

    label: str
    alt: str
    png: bytes


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
