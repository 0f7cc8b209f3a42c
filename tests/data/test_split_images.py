"""Which images of a split are there, whole, and of what size."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from boxseg.data.entries import ImageEntry
from boxseg.data.image_reader import UnreadableImage, decode_image
from boxseg.data.split_images import missing_images, on_disk, unlisted_files, upright_size
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


def test_names_of_other_systems_are_found_as_they_are_spelt_on_disk(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "Gebäude é.png")
    folder = tmp_path / unicodedata.normalize("NFD", "Straße Ü")
    folder.mkdir()
    (folder / apart).touch()
    (tmp_path / apart).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.png").touch()
    names = ["Gebäude é.png", "Straße Ü/Gebäude é.png", "sub\\b.png", "Gebaude.png", "sub\\é.png"]
    images = [ImageEntry(index, name, 1, 1) for index, name in enumerate(names, start=1)]
    found = on_disk(images, tmp_path)
    assert sorted(found) == [1, 2, 3]
    assert all((tmp_path / image.file_name).is_file() for image in found.values())
    assert unlisted_files(images[1:], tmp_path) == 1
    assert unlisted_files(images, tmp_path) == 0


def test_an_exact_name_is_taken_before_one_that_only_looks_like_it(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        (tmp_path / unicodedata.normalize(form, "ü.png")).touch()
    for form in ("NFC", "NFD"):
        image = ImageEntry(1, unicodedata.normalize(form, "ü.png"), 1, 1)
        assert on_disk([image], tmp_path) == {1: image}
    (tmp_path / "a\\b.png").touch()
    image = ImageEntry(1, "a\\b.png", 1, 1)
    assert on_disk([image], tmp_path) == {1: image}


def test_hidden_halves_of_files_are_not_missed_in_the_json(tmp_path: Path) -> None:
    (tmp_path / "._1.png").touch()
    assert unlisted_files([], tmp_path) == 0


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
    size = upright_size(path)
    assert (size.width, size.height) == (width, height)
    assert size[:2] == ((30, 40) if orientation in (5, 6, 8) else (40, 30))
    assert size.orientation == (orientation or 1)
    assert size.is_turned_by_a_quarter == (orientation in (5, 6, 8))


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
                assert upright_size(tmp_path / "damaged").orientation in range(1, 9)
            except UnreadableImage as error:
                assert str(error)
