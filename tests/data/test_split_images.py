"""Which images of a split are there, whole, and of what size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from boxseg.data.entries import ImageEntry
from boxseg.data.image_reader import UnreadableImage, decode_image
from boxseg.data.split_images import missing_images, upright_size
from boxseg.errors import InputError


def test_missing_images_looks_into_sub_folders(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.png").touch()
    names = ["a.png", "b.png", "A.png", "sub/b.png", "sub/a.png", "../x.png", "sub/../a.png"]
    names.append("sub/")
    images = [ImageEntry(index, name, 1, 1) for index, name in enumerate(names)]
    # Only a.png, sub/b.png and sub/../a.png exist.
    assert [image.file_name for image in missing_images(images, tmp_path)] == [
        "b.png",
        "A.png",
        "sub/a.png",
        "../x.png",
        "sub/",
    ]
    with pytest.raises(InputError, match=r"image folder .*absent"):
        missing_images(images, tmp_path / "absent")


def photograph(path: Path, orientation: int | None = None) -> Path:
    """A 40 x 30 image of noise, so that a cut file lacks pixels."""
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    Image.effect_noise((40, 30), 90).convert("RGB").save(path, exif=exif)
    return path


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff"])
@pytest.mark.parametrize("orientation", [None, 1, 3, 5, 6, 8])
def test_sizes_are_those_that_training_decodes(
    tmp_path: Path, name: str, orientation: int | None
) -> None:
    path = photograph(tmp_path / name, orientation)
    height, width, _ = decode_image(path).pixels.shape
    assert upright_size(path) == (width, height)
    assert upright_size(path) == ((30, 40) if orientation in (5, 6, 8) else (40, 30))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff", "a.bmp"])
def test_a_file_cut_anywhere_is_unreadable(tmp_path: Path, name: str) -> None:
    content = photograph(tmp_path / name).read_bytes()
    for kept in (0, 1, 10, len(content) // 2, len(content) - 100):
        (tmp_path / name).write_bytes(content[:kept])
        with pytest.raises(UnreadableImage):
            upright_size(tmp_path / name)


@pytest.mark.filterwarnings("ignore")
def test_damage_never_raises_anything_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "a.png", "a.webp", "a.tiff", "a.gif"):
        content = np.frombuffer(photograph(tmp_path / name, 6).read_bytes(), dtype=np.uint8)
        for _ in range(60):
            damaged = content.copy()
            places = rng.integers(0, len(damaged), size=rng.integers(1, 40))
            damaged[places] = rng.integers(0, 256, size=len(places))
            (tmp_path / "damaged").write_bytes(damaged.tobytes())
            try:
                assert len(upright_size(tmp_path / "damaged")) == 2
            except UnreadableImage as error:
                assert str(error)
