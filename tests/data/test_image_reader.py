"""Decoding images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boxseg.data import grey_depth
from boxseg.data.image_reader import ImageReader, UnreadableImage, decode_image
from boxseg.errors import InputError
from tests.data.odd_images import ORIENTATION, OddImage, colours, odd_images


def saved(folder: Path, height: int = 4, width: int = 6, name: str = "a.png") -> dict[str, Any]:
    """The record of a random image, and the image on disk."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return {"file_name": str(folder / name), "height": height, "width": width}


def pixels_of(record: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(record["file_name"]))


def test_channel_orders(tmp_path: Path) -> None:
    record = saved(tmp_path)
    rgb, bgr = ImageReader("RGB")(record), ImageReader("BGR")(record)
    assert rgb.dtype == np.uint8
    assert np.array_equal(rgb, pixels_of(record))
    assert np.array_equal(bgr, rgb[:, :, ::-1])


def test_grey_images_have_three_channels(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 77, np.uint8)).save(tmp_path / "grey.png")
    record = {"file_name": str(tmp_path / "grey.png"), "height": 4, "width": 6}
    assert np.array_equal(ImageReader("BGR")(record), np.full((4, 6, 3), 77))


def test_a_camera_s_turned_image_is_read_upright(tmp_path: Path) -> None:
    # EXIF orientation 6: the first row of the file is the right side of the scene.
    stored = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    record = {"file_name": str(tmp_path / "turned.png"), "height": 6, "width": 4}
    assert np.array_equal(ImageReader("RGB")(record), np.rot90(stored, -1))


def test_decoded_images_are_kept_while_they_fit(tmp_path: Path) -> None:
    records = [saved(tmp_path, name=name) for name in ("a.png", "b.png")]
    reader = ImageReader("RGB", max_bytes=4 * 6 * 3)  # one of them
    before = [reader(record).copy() for record in records]
    for record in records:
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(record["file_name"])
    assert np.array_equal(reader(records[0]), before[0])
    assert not reader(records[1]).any()  # was not kept, so the file is read again


def test_a_missing_file(tmp_path: Path) -> None:
    record = {"file_name": str(tmp_path / "gone.png"), "height": 4, "width": 6}
    with pytest.raises(InputError, match=r"gone\.png cannot be read"):
        ImageReader("RGB")(record)


@pytest.mark.parametrize("content", [b"", b"no image", None], ids=["empty", "text", "cut short"])
def test_a_file_that_is_no_whole_image(tmp_path: Path, content: bytes | None) -> None:
    record = saved(tmp_path, 40, 60)
    file = Path(record["file_name"])
    file.write_bytes(file.read_bytes()[:200] if content is None else content)
    with pytest.raises(InputError, match=r"a\.png cannot be read .*; restore the file or remove"):
        ImageReader("RGB")(record)


def test_an_image_of_absurd_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = saved(tmp_path, 40, 60)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow refuses twice this
    with pytest.raises(InputError, match=r"a\.png cannot be read"):
        ImageReader("RGB")(record)


def test_another_size_than_the_annotations_say(tmp_path: Path) -> None:
    record = saved(tmp_path) | {"width": 7}
    with pytest.raises(InputError, match=r"is 6 x 4 pixels, but its annotations say 7 x 4"):
        ImageReader("RGB")(record)


@pytest.mark.parametrize("odd", odd_images(), ids=lambda odd: odd.name)
def test_odd_images(tmp_path: Path, odd: OddImage) -> None:
    file = tmp_path / Path(odd.name).name
    odd.write(file)
    if odd.size is None:
        with pytest.raises(UnreadableImage, match=r"."):
            decode_image(file)
        return
    image = decode_image(file)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.shape == (odd.size[1], odd.size[0], 3)
    assert len(image.notes) == (odd.note is not None)
    assert odd.note is None or odd.note in image.notes[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(tmp_path: Path, orientation: int) -> None:
    scene = colours(4, 6)
    # Where each corner of the scene is stored: row and column of the file from top and left.
    stored = {
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.transpose(1, 0, 2),
        6: np.rot90(scene, 1),
        7: scene[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(scene, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(decode_image(tmp_path / "a.png").pixels, scene)


def test_transparent_pixels_are_white_and_half_transparent_ones_lighter(tmp_path: Path) -> None:
    pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [100, 100, 100, 51]]], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    # The last: 100 x 51/255 + 255 x 204/255 = 20 + 204.
    greys = decode_image(tmp_path / "a.png").pixels[0, :, 0].tolist()
    assert greys == [255, 0, 224]


@pytest.mark.parametrize(
    ("values", "greys"),
    [
        ([0, 257 * 100, 65535], [0, 100, 255]),  # 16 bits: a 257th
        ([0, 2048, 4095], [0, 128, 255]),  # 12 bits: 2048 / 4095 x 255 = 127.53
        ([0, 100, 255], [0, 100, 255]),  # what fits into 8 bits is as it is
    ],
)
def test_greys_of_many_bits(tmp_path: Path, values: list[int], greys: list[int]) -> None:
    Image.fromarray(np.array([values], dtype=np.uint16)).save(tmp_path / "a.tif")
    assert decode_image(tmp_path / "a.tif").pixels[0, :, 0].tolist() == greys


def grey(file: Path, *values: int) -> Path:
    Image.fromarray(np.array([values], dtype=np.uint16)).save(file)
    return file


def test_pictures_of_one_folder_are_brightened_alike(tmp_path: Path) -> None:
    """In whatever order they are read, however dark one is; another folder is another camera."""
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
    bright, dark = grey(tmp_path / "a" / "1.png", 0, 4095), grey(tmp_path / "a" / "2.png", 0, 130)
    Image.new("RGB", (2, 1)).save(tmp_path / "a" / "3.png")
    (tmp_path / "a" / "4.png").write_bytes(b"no picture")
    other = grey(tmp_path / "b" / "1.png", 0, 1023)
    # 130 / 4095 x 255 = 8.10
    assert [decode_image(file).pixels[0, 1, 0] for file in (dark, bright, other)] == [8, 255, 255]
    assert decode_image(dark).notes == ("greys of 12 bits brought to 8",)
    grey(tmp_path / "a" / "5.png", 65535)
    os.utime(tmp_path / "a", ns=(0, 0))
    assert decode_image(dark).pixels[0, 1, 0] == 1  # 130 / 65535 x 255 = 0.51


def test_a_picture_brighter_than_those_looked_at_is_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grey_depth, "LOOKED_AT", 1)
    grey(tmp_path / "1.png", 0, 1023)
    assert decode_image(grey(tmp_path / "2.png", 4095)).pixels[0, 0, 0] == 255


@pytest.mark.parametrize(
    ("values", "greys"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([-1.0, 0.0, 3.0], [0, 64, 255]),  # stretched: (0 + 1) / 4 x 255 = 63.75
        ([7.5, 7.5, 7.5], [0, 0, 0]),
    ],
)
def test_fractional_greys(tmp_path: Path, values: list[float], greys: list[int]) -> None:
    Image.fromarray(np.array([values], dtype=np.float32)).save(tmp_path / "a.tif")
    assert decode_image(tmp_path / "a.tif").pixels[0, :, 0].tolist() == greys


def test_greys_that_are_no_numbers(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, np.nan]], dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UnreadableImage, match="not finite"):
        decode_image(tmp_path / "a.tif")


def test_damaged_exif_data_do_not_hide_the_image(tmp_path: Path) -> None:
    picture = Image.fromarray(colours(4, 6))
    picture.save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert decode_image(tmp_path / "a.jpg").pixels.shape == (4, 6, 3)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="directory"):
        decode_image(tmp_path)
