"""Decoding images of any kind into upright 8-bit colours, and remembering those of a dataset."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from boxseg.data.grey_depth import bits_of_folder
from boxseg.errors import InputError

_ORIENTATION = 0x0112
TURNED = "turned upright"


class UnreadableImage(Exception):
    """A file that cannot be decoded; the message is the reason."""


@dataclass(frozen=True)
class DecodedImage:
    """An image as the suite sees it.

    Attributes:
        pixels: uint8 (H, W, 3), RGB, upright.
        notes: what was done to come there from the file, each a few words; empty for an ordinary
            image.
    """

    pixels: np.ndarray
    notes: tuple[str, ...]


@contextlib.contextmanager
def readable_picture(file: Path | str) -> Iterator[Image.Image]:
    """Open a picture with Pillow, and say in one way why it cannot be read inside the block.

    Raises:
        UnreadableImage: the file is missing, damaged, no image, or larger than Pillow's limit.
    """
    try:
        with Image.open(file) as picture:
            yield picture
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise UnreadableImage("it is no image, or of an unknown format") from None
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from None
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything
        raise UnreadableImage(str(error) or type(error).__name__) from None


def decode_image(file: Path | str) -> DecodedImage:
    """Decode the first frame of an image file.

    It is turned upright as its EXIF data say; transparent pixels are shown on white; greys of more
    than 8 bits are brought to 8 (see `_eight_bits`).

    Raises:
        UnreadableImage: the file is missing, damaged, no image, or larger than Pillow's limit.
    """
    notes: list[str] = []
    with readable_picture(file) as image:
        image.load()
        upright: Image.Image = image
        try:
            orientation = image.getexif().get(_ORIENTATION, 1)
            upright = ImageOps.exif_transpose(image)
            if orientation in range(2, 9):
                notes.append(f"{TURNED} (EXIF orientation {orientation})")
        except Exception:  # noqa: BLE001 - damaged EXIF data raise anything
            notes.append("EXIF data unreadable, taken as upright")
        pixels = _colours(upright, Path(file).parent, notes)
        try:
            frames = getattr(image, "n_frames", 1)
        except Exception:  # noqa: BLE001 - the later frames may be damaged
            notes.append("first frame; the later ones cannot be read")
        else:
            if frames > 1:
                notes.append(f"first of {frames} frames")
    return DecodedImage(pixels, tuple(notes))


def _colours(image: Image.Image, folder: Path, notes: list[str]) -> np.ndarray:
    """The image as uint8 (H, W, 3), RGB; adds to `notes` what that took.

    Args:
        image: decoded.
        folder: that it lies in.
        notes: to add to.
    """
    if image.mode.startswith(("I", "F")):
        depth = bits_of_folder(folder) if image.mode.startswith("I") else 8
        return np.repeat(_eight_bits(np.asarray(image), depth, notes)[..., None], 3, axis=2)
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        if np.asarray(clear.getchannel("A")).min() < 255:
            notes.append("transparent pixels shown on white")
            white = Image.new("RGBA", clear.size, "white")
            return np.asarray(Image.alpha_composite(white, clear).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _eight_bits(values: np.ndarray, depth: int, notes: list[str]) -> np.ndarray:
    """Greys of more than 8 bits as uint8.

    Whole numbers are taken to use as many bits as the greatest in their folder needs (see
    `boxseg.data.grey_depth`), and fractions within [0, 1] to mean black to white; anything else is
    stretched from its least to its greatest.

    Raises:
        UnreadableImage: a value is infinite or NaN.
    """
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise UnreadableImage("it holds values that are not finite")
    least, greatest = float(values.min()), float(values.max())
    if least >= 0 and (values == np.rint(values)).all():
        bits = max(depth, int(greatest).bit_length())
        low, high = 0.0, float(2**bits - 1)
        if bits > 8:
            notes.append(f"greys of {bits} bits brought to 8")
    elif least >= 0 and greatest <= 1:
        low, high = 0.0, 1.0
    else:
        low, high = least, max(greatest, least + 1e-12)
        notes.append(f"greys from {least:g} to {greatest:g} stretched from black to white")
    return np.rint((values - low) * (255 / (high - low))).astype(np.uint8)


class ImageReader:
    """Reads the images of dataset records, keeping decoded ones while they fit.

    A small dataset is passed over many times; decoding it once is enough.

    Args:
        channel_order: "BGR" or "RGB".
        max_bytes: of decoded images kept.
    """

    def __init__(self, channel_order: str, max_bytes: int = 1 << 29) -> None:
        self.channel_order = channel_order
        self.free_bytes = max_bytes
        self.kept: dict[str, np.ndarray] = {}

    def __call__(self, record: dict[str, Any]) -> np.ndarray:
        """Pixels of a record's image, upright: uint8 (H, W, 3), not to be written to.

        Raises:
            InputError: the file cannot be read as an image, or its size is not the record's.
        """
        name = record["file_name"]
        if name in self.kept:
            return self.kept[name]
        try:
            decoded = decode_image(name)
        except UnreadableImage as error:
            raise InputError(
                f"image {name} cannot be read ({error}); restore the file or remove the image "
                "from the annotations."
            ) from None
        image = decoded.pixels
        if image.shape[:2] != (record["height"], record["width"]):
            turned = [note for note in decoded.notes if note.startswith(TURNED)]
            raise InputError(
                f"image {name} is {image.shape[1]} x {image.shape[0]} pixels"
                f"{', ' + turned[0] if turned else ''}, but its annotations say "
                f"{record['width']} x {record['height']}; correct one of them."
            )
        image = in_channel_order(image, self.channel_order)
        if image.nbytes <= self.free_bytes:
            self.free_bytes -= image.nbytes
            self.kept[name] = image
        return image


def in_channel_order(pixels: np.ndarray, channel_order: str) -> np.ndarray:
    """RGB pixels (H, W, 3) as "RGB" or "BGR"."""
    return pixels[:, :, ::-1] if channel_order == "BGR" else pixels
