"""Folders of VOC's XML."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.data.foreign.sources import imported, picture, voc_object, voc_xml, write

BOX = voc_object("cat", 2, 3, 10, 9)


def test_corners_are_edges(tmp_path: Path) -> None:
    picture(tmp_path / "in/JPEGImages/a b.JPG")
    write(tmp_path / "in/Annotations/a b.xml", "\ufeff" + voc_xml("C:\\me\\a b.jpg", BOX))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a b.JPG": [("cat", [2, 3, 8, 6], None)]}


def test_label_images_are_no_pictures(tmp_path: Path) -> None:
    for file in ("JPEGImages/a.png", "SegmentationClass/a.png", "SegmentationObject/a.png"):
        picture(tmp_path / "in" / file)
    write(tmp_path / "in/Annotations/a.xml", voc_xml("a", BOX))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a.png": [("cat", [2, 3, 8, 6], None)]}
    assert "left out" not in found.told


def test_those_of_the_challenge_are_pixels_counted_from_one(tmp_path: Path) -> None:
    picture(tmp_path / "in/JPEGImages/a.jpg")
    source = "<source><database>The VOC2007 Database</database></source>"
    write(tmp_path / "in/Annotations/a.xml", voc_xml("a.jpg", BOX, extra=source))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a.jpg": [("cat", [1, 2, 9, 7], None)]}


def test_image_sets_are_splits(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        picture(tmp_path / f"in/JPEGImages/{name}.jpg")
    for name in ("a", "b", "c"):
        write(tmp_path / f"in/Annotations/{name}.xml", voc_xml(f"{name}.jpg", BOX))
    write(tmp_path / "in/ImageSets/Main/train.txt", "a\n")
    write(tmp_path / "in/ImageSets/Main/val.txt", "b\n")
    write(tmp_path / "in/ImageSets/Main/trainval.txt", "a\nb\n")
    write(tmp_path / "in/ImageSets/Main/cat_train.txt", "c 1\n")
    found = imported(tmp_path / "in", tmp_path / "out")
    assert {name: list(split) for name, split in found.splits.items()} == {
        "train": ["a.jpg"],
        "val": ["b.jpg"],
    }
    assert "pictures in none of the splits: 1 (JPEGImages/c.jpg)" in found.told
    assert "pictures without annotations: 1 (JPEGImages/d.jpg)" in found.told
    assert not found.outcome.complaints


def test_roboflow_has_polygons_and_folders(tmp_path: Path) -> None:
    points = "".join(
        f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>"
        for n, (x, y) in enumerate([(2, 3), (10, 3), (10, 9)], 1)
    )
    thing = voc_object("cat", 2, 3, 10, 9, extra=f"<polygon>{points}</polygon>")
    for split in ("train", "valid"):
        picture(tmp_path / f"in/{split}/a.jpg")
        write(tmp_path / f"in/{split}/a.xml", voc_xml("a.jpg", thing))
    found = imported(tmp_path / "in", tmp_path / "out")
    things = {"a.jpg": [("cat", [2, 3, 8, 6], [[2, 3, 10, 3, 10, 9]])]}
    assert found.splits == {"train": things, "val": things}


def test_masks_that_only_some_objects_have_are_left_out(tmp_path: Path) -> None:
    points = "<x1>2</x1><y1>3</y1><x2>10</x2><y2>3</y2><x3>10</x3><y3>9</y3>"
    masked = voc_object("cat", 2, 3, 10, 9, extra=f"<polygon>{points}</polygon>")
    picture(tmp_path / "in/a.jpg")
    write(tmp_path / "in/a.xml", voc_xml("a.jpg", masked + voc_object("cat", 0, 0, 4, 4)))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert [mask for _, _, mask in found.pictures["a.jpg"]] == [None, None]
    assert "masks of train, where 1 of 2 objects have none" in found.told


def test_objects_that_are_none_are_counted(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    objects = [
        voc_object("cat", 10, 3, 2, 9),
        voc_object("", 2, 3, 10, 9),
        "<object><name>cat</name><robndbox><cx>4</cx></robndbox></object>",
        voc_object("cat", 2, 3, 10, 9).replace("<xmin>2<", "<xmin>two<"),
        voc_object("42", 2, 3, 10, 9),
    ]
    write(tmp_path / "in/a.xml", voc_xml("a.jpg", "".join(objects)))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a.jpg": [("42", [2, 3, 8, 6], None)]}
    for reason in (
        "boxes of zero area: 1 (a.xml object 1)",
        "objects of no class: 1 (a.xml object 2)",
        "objects without a box: 1 (a.xml object 3)",
        "objects whose box is not four numbers: 1 (a.xml object 4)",
    ):
        assert reason in found.told


def test_broken_files_are_named_and_the_rest_is_done(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        picture(tmp_path / f"in/{name}.jpg")
    write(tmp_path / "in/a.xml", voc_xml("a.jpg", BOX))
    write(tmp_path / "in/b.xml", voc_xml("b.jpg", BOX)[:-20])
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]>'
    write(tmp_path / "in/c.xml", bomb + voc_xml("c.jpg", voc_object("&c;", 2, 3, 10, 9)))
    write(tmp_path / "in/d.xml", voc_xml("d.jpg", BOX, size=(99, 12)))
    write(tmp_path / "in/e.xml", voc_xml("e.jpg", BOX))
    found = imported(tmp_path / "in", tmp_path / "out", format_name="voc")
    assert list(found.pictures) == ["a.jpg"]
    complaints = sorted(found.outcome.complaints)
    assert [line.split()[0] for line in complaints] == ["b.xml", "c.xml", "d.jpg", "e.xml"]
    assert "declares a document type" in complaints[1]
    assert "is 16 x 12 pixels, but its annotations say 99 x 12" in complaints[2]
    assert "is of the picture e.jpg, which is not there" in complaints[3]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_boxes_of_the_stored_pixels_are_turned_with_them(orientation: int, tmp_path: Path) -> None:
    """The size that an XML file tells says which of the two its boxes are in."""
    stored = Image.new("L", (16, 12))
    stored.paste(255, (2, 3, 10, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "in").mkdir()
    stored.save(tmp_path / "in/a.png", exif=exif)
    with Image.open(tmp_path / "in/a.png") as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    rows, columns = np.nonzero(upright)
    x, y = columns.min(), rows.min()
    expected = [x, y, columns.max() + 1 - x, rows.max() + 1 - y]
    height, width = upright.shape
    corners = (x, y, x + expected[2], y + expected[3])
    write(tmp_path / "in/a.xml", voc_xml("a.png", voc_object("cat", *corners), (width, height)))
    found = imported(tmp_path / "in", tmp_path / "upright")
    assert found.pictures["a.png"] == [("cat", expected, None)]
    if orientation >= 5:
        write(tmp_path / "in/a.xml", voc_xml("a.png", voc_object("cat", 2, 3, 10, 8), (16, 12)))
        found = imported(tmp_path / "in", tmp_path / "stored")
        assert found.sizes == {"a.png": (12, 16)}
        assert found.pictures["a.png"] == [("cat", expected, None)]
