"""The image files of a split: which are there, and what size they are."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, Image

from boxseg.data.entries import ImageEntry
from boxseg.data.image_files import IMAGE_SUFFIXES, is_hidden
from boxseg.data.image_reader import decode_image, readable_picture
from boxseg.errors import InputError

_QUARTER_TURNS = (5, 6, 7, 8)
_END_OF_JPEG = b"\xff\xd9"
_TAIL = 64  # bytes searched for it: some cameras write a little behind the end


def missing_images(images: Iterable[ImageEntry], folder: Path) -> list[ImageEntry]:
    """Those of `images` without a file in `folder`, in their order; see `on_disk`."""
    images = list(images)
    found = on_disk(images, folder)
    return [image for image in images if image.id not in found]


def on_disk(images: Iterable[ImageEntry], folder: Path) -> dict[int, ImageEntry]:
    """Those of `images` that have a file in `folder`, by id, with the name that the file has there.

    That is another one than the JSON's where the two differ in how letters are put together (macOS
    takes an umlaut apart, most JSON has it as one), or where the JSON has Windows' backslashes.

    Every folder is listed once: one `stat` per image takes minutes for COCO on a network disk.

    Raises:
        InputError: the folder does not exist or cannot be read.
    """
    listings = _Listings(folder)
    found = {}
    for image in images:
        names = (image.file_name, image.file_name.replace("\\", "/"))
        there = next(filter(None, map(listings.spelling, names)), None)
        if there is not None:
            found[image.id] = replace(image, file_name=there) if there != names[0] else image
    return found


class _Listings:
    """The names in a folder and, once they are asked for, those below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.names = {"": _names(folder)}
        except OSError as error:
            raise InputError(
                f"cannot read the image folder {folder}: {error.strerror or error}; "
                "put the split's images there."
            ) from None
        self.composed: dict[str, dict[str, str]] = {}

    def spelling(self, file_name: str) -> str | None:
        """The path below the folder that is meant, as it is spelt there; None if there is none."""
        below, name = posixpath.split(file_name)
        if name in self._listed(below):
            return file_name
        if file_name.isascii():
            return None
        there = self._composed(below).get(unicodedata.normalize("NFC", name))
        if there is None and below and (folder := self.spelling(below)) not in (None, below):
            return self.spelling(posixpath.join(str(folder), name))
        return None if there is None else posixpath.join(below, there)

    def _listed(self, below: str) -> frozenset[str]:
        if below not in self.names:
            try:
                self.names[below] = _names(self.folder / below)
            except (OSError, ValueError):
                self.names[below] = frozenset()
        return self.names[below]

    def _composed(self, below: str) -> dict[str, str]:
        """The names of a folder, by what they are with letters put together."""
        if below not in self.composed:
            names = sorted(self._listed(below))
            self.composed[below] = {unicodedata.normalize("NFC", name): name for name in names}
        return self.composed[below]


def unlisted_files(images: Iterable[ImageEntry], folder: Path) -> int:
    """How many image files lie in `folder` that none of `images` is; 0 where it cannot be read."""
    try:
        listed = {image.file_name for image in on_disk(images, folder).values()}
        unlisted = _names(folder) - listed
    except (InputError, OSError):
        return 0
    pictures = [name for name in unlisted if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    return len([name for name in pictures if not is_hidden(name)])


def _names(folder: Path) -> frozenset[str]:
    with os.scandir(folder) as listing:
        return frozenset(entry.name for entry in listing)


class PictureSize(NamedTuple):
    """Size in pixels as training sees a picture, and the orientation that its EXIF data give.

    An orientation of 1 is that of the stored pixels; others turn or mirror them.
    """

    width: int
    height: int
    orientation: int

    @property
    def is_turned_by_a_quarter(self) -> bool:
        """Whether the stored pixels have width and height the other way round."""
        return self.orientation in _QUARTER_TURNS


def upright_size(path: Path) -> PictureSize:
    """The size of an image as training sees it: turned upright.

    No more is read than it takes to see that the file is all there: of a JPEG its header and its
    end, of a PNG the checksums of its chunks. Where a JPEG has no end in its place, and in other
    formats, the image is decoded.

    Raises:
        UnreadableImage: the file is not a whole image; the message is the reason.
    """
    with readable_picture(path) as picture:
        width, height = picture.size
        # Pillow's own method for PNG decodes the image in search of an orientation behind it.
        orientation = _orientation(picture)
        turned = orientation in _QUARTER_TURNS
        if picture.format == "PNG":
            picture.verify()
        elif not (picture.format == "JPEG" and _has_end_of_jpeg(path)):
            height, width, _ = decode_image(path).pixels.shape
            turned = False
    if turned:
        width, height = height, width
    return PictureSize(width, height, orientation)


def _orientation(picture: Image.Image) -> int:
    """How the photograph is to be turned; a damaged note of it is none."""
    try:
        found = Image.Image.getexif(picture).get(ExifTags.Base.Orientation, 1)
        return found if found in range(2, 9) else 1
    except Exception:  # noqa: BLE001 - damaged EXIF data raise anything
        return 1


def _has_end_of_jpeg(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        return _END_OF_JPEG in file.read()
