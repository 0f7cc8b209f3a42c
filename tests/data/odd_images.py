"""Image files that real folders hold and that a reader may stumble over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ORIENTATION = 0x0112


@dataclass(frozen=True)
class OddImage:
    """A file to be made.

    Attributes:
        name: of the file, relative to the folder.
        write: makes it.
        size: (width, height) of the upright image, or None if nothing can be read.
        note: a part of what has to be said about it, or None.
    """

    name: str
    write: Callable[[Path], object]
    size: tuple[int, int] | None
    note: str | None = None


def colours(height: int = 40, width: int = 60, seed: int = 0) -> np.ndarray:
    """Random pixels with some large areas: uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height)))


def picture(height: int = 40, width: int = 60, seed: int = 0) -> Image.Image:
    return Image.fromarray(colours(height, width, seed))


def _turned(file: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture().save(file, exif=exif)


def _transparent(file: Path) -> None:
    pixels = np.dstack([colours(), np.full((40, 60), 255, np.uint8)])
    pixels[:20, :, 3] = 0
    Image.fromarray(pixels).save(file)


def _palette_with_transparency(file: Path) -> None:
    image = picture().quantize(16)
    image.info["transparency"] = 3
    image.save(file, transparency=3)


def _sixteen_bits(file: Path) -> None:
    Image.fromarray(np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)).save(file)


def _animated(file: Path) -> None:
    frames = [picture(seed=seed) for seed in range(3)]
    frames[0].save(file, save_all=True, append_images=frames[1:])


def _cut_short(file: Path) -> None:
    picture(400, 600).save(file, quality=95)
    file.write_bytes(file.read_bytes()[:2000])


def odd_images() -> list[OddImage]:
    """Twenty of them, four of which are broken."""
    wide = (60, 40)
    return [
        OddImage("plain.jpg", lambda f: picture().save(f), wide),
        OddImage("UPPER.JPG", lambda f: picture().save(f), wide),
        OddImage("turned.jpg", _turned, (40, 60), "EXIF orientation 6"),
        OddImage("grey.png", lambda f: picture().convert("L").save(f), wide),
        OddImage("grey-alpha.png", lambda f: picture().convert("LA").save(f), wide),
        OddImage("bilevel.png", lambda f: picture().convert("1").save(f), wide),
        OddImage("alpha.png", _transparent, wide, "transparent pixels shown on white"),
        OddImage("palette.png", lambda f: picture().quantize(16).save(f), wide),
        OddImage("palette-alpha.png", _palette_with_transparency, wide, "shown on white"),
        OddImage("cmyk.jpg", lambda f: picture().convert("CMYK").save(f), wide),
        OddImage("sixteen.png", _sixteen_bits, wide, "greys of 16 bits"),
        OddImage("one-pixel-wide.png", lambda f: picture(5000, 1).save(f), (1, 5000)),
        OddImage("one-pixel.png", lambda f: picture(1, 1).save(f), (1, 1)),
        OddImage("large.png", lambda f: picture(1500, 2400).save(f), (2400, 1500)),
        OddImage("animated.gif", _animated, wide, "first of 3 frames"),
        OddImage("below/plain.jpg", lambda f: picture(30, 30, 1).save(f), (30, 30)),
        OddImage("empty.jpg", lambda f: f.write_bytes(b""), None),
        OddImage("text.png", lambda f: f.write_text("no image"), None),
        OddImage("cut-short.jpg", _cut_short, None),
        OddImage("no-image-inside.gif", lambda f: f.write_bytes(b"GIF89a" + bytes(20)), None),
    ]


def write_odd_images(folder: Path) -> None:
    """Make the files."""
    for one in odd_images():
        file = folder / one.name
        file.parent.mkdir(parents=True, exist_ok=True)
        one.write(file)
