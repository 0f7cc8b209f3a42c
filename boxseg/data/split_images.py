"""The image files of a split: which are there, and what size they are."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path

from PIL import ExifTags, Image

from boxseg.data.entries import ImageEntry
from boxseg.data.image_files import IMAGE_SUFFIXES
from boxseg.data.image_reader import decode_image, readable_picture
from boxseg.errors import InputError

_QUARTER_TURNS = (5, 6, 7, 8)
_END_OF_JPEG = b"\xff\xd9"
_TAIL = 64  # bytes searched for it: some cameras write a little behind the end


def missing_images(images: Iterable[ImageEntry], folder: Path) -> list[ImageEntry]:
    """Those of `images` without a file in `folder`, in their order.

    Every folder is listed once: one `stat` per image takes minutes for COCO on a network disk.

    Raises:
        InputError: the folder does not exist or cannot be read.
    """
    try:
        listings = {"": _names(folder)}
    except OSError as error:
        raise InputError(
            f"cannot read the image folder {folder}: {error.strerror or error}; "
            "put the split's images there."
        ) from None
    missing = []
    for image in images:
        below, name = posixpath.split(image.file_name)
        if below not in listings:
            try:
                listings[below] = _names(folder / below)
            except (OSError, ValueError):
                listings[below] = frozenset()
        if name not in listings[below]:
            missing.append(image)
    return missing


def unlisted_files(images: Iterable[ImageEntry], folder: Path) -> int:
    """How many image files lie in `folder` that none of `images` is; 0 where it cannot be read."""
    try:
        present = _names(folder)
    except OSError:
        return 0
    unlisted = present - {image.file_name for image in images}
    return sum(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in unlisted)


def _names(folder: Path) -> frozenset[str]:
    with os.scandir(folder) as listing:
        return frozenset(entry.name for entry in listing)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height, in pixels, of an image as training sees it: turned upright.

    No more is read than it takes to see that the file is all there: of a JPEG its header and its
    end, of a PNG the checksums of its chunks. Where a JPEG has no end in its place, and in other
    formats, the image is decoded.

    Raises:
        UnreadableImage: the file is not a whole image; the message is the reason.
    """
    with readable_picture(path) as picture:
        width, height = picture.size
        # Pillow's own method for PNG decodes the image in search of an orientation behind it.
        turned = _turned(picture)
        if picture.format == "PNG":
            picture.verify()
        elif not (picture.format == "JPEG" and _has_end_of_jpeg(path)):
            height, width, _ = decode_image(path).pixels.shape
            turned = False
    return (height, width) if turned else (width, height)


def _turned(picture: Image.Image) -> bool:
    """Whether the photograph is to be turned by a quarter; a damaged note of it is none."""
    try:
        exif = Image.Image.getexif(picture)
        return exif.get(ExifTags.Base.Orientation) in _QUARTER_TURNS
    except Exception:  # noqa: BLE001 - damaged EXIF data raise anything
        return False


def _has_end_of_jpeg(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        return _END_OF_JPEG in file.read()
