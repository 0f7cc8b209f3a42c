"""YOLO folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from boxseg.errors import InputError
from tests.data.foreign.sources import imported, picture, write

YAML = "path: {path}\ntrain: {train}\nval: {val}\nnames:\n  0: cat\n  1: no\n  2: 007\n"


def test_boxes_are_by_their_centres_in_fractions(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"in/images/{name}.jpg", (16, 8))
    write(tmp_path / "in/labels/a.txt", "1 0.5 0.5 0.25 0.5\n\n0 0.25 0.25 0.5 0.5\n")
    write(tmp_path / "in/classes.txt", "cat\ndog\n\n")
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {
        "a.jpg": [("dog", [6, 2, 4, 4], None), ("cat", [0, 0, 8, 4], None)],
        "b.jpg": [],  # a picture without a text file is one of background
    }
    assert not found.outcome.complaints


def test_pictures_elsewhere_are_no_background(tmp_path: Path) -> None:
    for file in ("images/a.jpg", "results.png", "plots/labels.jpg"):
        picture(tmp_path / "in" / file)
    write(tmp_path / "in/labels/a.txt", "0 0.5 0.5 1 1")
    write(tmp_path / "in/classes.txt", "cat")
    found = imported(tmp_path / "in", tmp_path / "out")
    assert list(found.pictures) == ["a.jpg"]
    assert "beside the folder of images: 2 (plots/labels.jpg, results.png)" in found.told


def test_polygons_are_masks_with_the_box_around_them(tmp_path: Path) -> None:
    picture(tmp_path / "in/images/a.png", (16, 8))
    write(tmp_path / "in/labels/a.txt", "0 0.25 0.25 0.75 0.25 0.75 1.0\n")
    write(tmp_path / "in/classes.txt", "cat")
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures["a.png"] == [("cat", [4, 2, 8, 6], [[4, 2, 12, 2, 12, 8]])]


@pytest.mark.parametrize(
    ("path", "train", "val"),
    [
        ("", "images/train", "images/val"),
        ("/content/data", "/content/data/images/train", "/content/data/images/val"),
        ("C:\\data", "images\\train", "..\\images\\val"),
        ("", "[images/train]", "val.txt"),
    ],
)
def test_a_data_yaml_names_classes_and_splits(
    path: str, train: str, val: str, tmp_path: Path
) -> None:
    picture(tmp_path / "in/images/train/1.jpg")
    picture(tmp_path / "in/images/val/1.jpg")
    picture(tmp_path / "in/images/more/2.jpg")
    write(tmp_path / "in/val.txt", "./images/val/1.jpg\n")
    write(tmp_path / "in/labels/train/1.txt", "1 0.5 0.5 1 1\n")
    write(tmp_path / "in/labels/val/1.txt", "2 0.5 0.5 1 1\n")
    write(tmp_path / "in/data.yaml", YAML.format(path=path, train=train, val=val))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.splits == {
        "train": {"1.jpg": [("no", [0, 0, 16, 12], None)]},
        "val": {"1.jpg": [("007", [0, 0, 16, 12], None)]},
    }
    assert "pictures in none of the splits: 1 (images/more/2.jpg)" in found.told


def test_roboflow_has_a_folder_for_each_split(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        picture(tmp_path / f"in/{split}/images/a.jpg")
        write(tmp_path / f"in/{split}/labels/a.txt", "0 0.5 0.5 1 1")
    picture(tmp_path / "train/images/other.jpg")  # what ../train/images is, word for word
    splits = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    write(tmp_path / "in/data.yaml", splits + "nc: 1\nnames: ['cat']\nroboflow:\n  version: 1\n")
    write(tmp_path / "in/README.dataset.txt", "not a label")
    found = imported(tmp_path / "in", tmp_path / "out")
    thing = {"a.jpg": [("cat", [0, 0, 16, 12], None)]}
    assert found.splits == {"train": thing, "val": thing, "test": thing}
    assert not found.outcome.complaints


def test_text_files_may_lie_beside_the_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "in/obj_train_data/a.PNG")
    picture(tmp_path / "in/obj_valid_data/b.png")
    write(tmp_path / "in/obj_train_data/a.txt", "0 0.5 0.5 1 1")
    write(tmp_path / "in/obj.names", "cat\n")
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.splits == {"train": {"a.PNG": [("cat", [0, 0, 16, 12], None)]},
                            "val": {"b.png": []}}  # fmt: skip


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    picture(tmp_path / "in/images/a.jpg")
    lines = [
        "0 0.5 0.5 0.5 0.5",
        "7 0.5 0.5 0.5 0.5",
        "0.5 0.5 0.5 0.5 0.5",
        "0 8 6 4 4",
        "0 0.5 0.5 0 0.5",
        "0 0.5 0.5",
        "0 0.5 0.5 nan 0.5",
        "cat 0.5 0.5 0.5 0.5",
        "0 1.4 1.4 0.2 0.2",
        "0 1 1 0.5 0.5",
        "0 0.5 0.5 0.5 0.5",
        "0 0.25 0.25 0.5 0.5 0.9",
    ]
    write(tmp_path / "in/labels/a.txt", "\r\n".join(lines), encoding="utf-8-sig")
    write(tmp_path / "in/classes.txt", "cat", encoding="utf-16")
    found = imported(tmp_path / "in", tmp_path / "out")
    assert [box for _, box, _ in found.pictures["a.jpg"]] == [
        [4, 3, 8, 6],
        [12, 9, 4, 3],
        [0, 0, 8, 6],
    ]
    for reason in (
        "objects of an unknown class: 2 (labels/a.txt line 2, class 7, labels/a.txt line 3",
        "objects in pixels where fractions are due: 1 (labels/a.txt line 4)",
        "boxes of zero area: 1 (labels/a.txt line 5)",
        "lines that are neither a box nor a polygon: 1 (labels/a.txt line 6)",
        "lines that are not numbers: 2 (labels/a.txt line 7, labels/a.txt line 8)",
        "boxes outside their picture: 1 (labels/a.txt line 9)",
        "boxes clipped at the border of their picture: 1 (labels/a.txt line 10)",
        "objects given twice: 1 (labels/a.txt line 11)",
        "boxes whose score is left out: 1 (labels/a.txt line 12)",
    ):
        assert reason in found.told


def test_broken_files_hide_no_other(tmp_path: Path) -> None:
    for name in ("a", "b", "ü"):
        picture(tmp_path / f"in/images/{name}.jpg")
    write(tmp_path / "in/images/cut.jpg", "no picture")
    write(tmp_path / "in/labels/cut.txt", "0 0.5 0.5 1 1")
    write(tmp_path / "in/labels/a.txt", "0 0.5 0.5 1 1")
    (tmp_path / "in/labels/b.txt").write_bytes(b"\xff\x00\x81")
    write(tmp_path / "in/labels/absent.txt", "0 0.5 0.5 1 1")
    write(tmp_path / "in/labels/u\u0308.txt", "0 0.5 0.5 1 1")  # as macOS writes it
    write(tmp_path / "in/classes.txt", "cat")
    found = imported(tmp_path / "in", tmp_path / "out")
    thing = [("cat", [0, 0, 16, 12], None)]
    assert found.pictures == {"a.jpg": thing, "ü.jpg": thing}
    assert sorted(found.outcome.complaints) == [
        "images/cut.jpg cannot be read (it is no image, or of an unknown format); it is skipped.",
        "labels/absent.txt labels a picture that is not there; it is skipped.",
        "labels/b.txt is not UTF-8 text; it is skipped.",
    ]


def test_fractions_are_of_the_upright_picture(tmp_path: Path) -> None:
    picture(tmp_path / "in/images/a.jpg", (16, 8), orientation=6)
    write(tmp_path / "in/labels/a.txt", "0 0.25 0.25 0.5 0.5")
    write(tmp_path / "in/classes.txt", "cat")
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.sizes == {"a.jpg": (8, 16)}
    assert found.pictures["a.jpg"] == [("cat", [0, 0, 4, 8], None)]


def test_lists_of_classes_that_differ_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "in/images/a.jpg")
    write(tmp_path / "in/labels/a.txt", "0 0.5 0.5 1 1")
    write(tmp_path / "in/classes.txt", "cat")
    write(tmp_path / "in/labels/classes.txt", "dog")
    with pytest.raises(InputError, match=r"classes.txt and labels/classes.txt list other classes"):
        imported(tmp_path / "in", tmp_path / "out")
