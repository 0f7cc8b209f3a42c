"""Decoding images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boxseg.data.image_reader import ImageReader
from boxseg.errors import InputError


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
