"""The checker finds every planted defect, each once."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import ExifTags, Image

from boxseg.data.check import check_split
from tests.data.coco_documents import annotation, found, image, write_split


def test_every_defect_of_annotations_is_found(tmp_path: Path) -> None:
    split = write_split(
        tmp_path,
        [
            annotation(1, [1, 2, 3, 4]),
            annotation(2, [50, 2, 3, 4]),
            annotation(3, [1, 2, 0, 4]),
            annotation(4, [38, 2, 10, 10], segmentation=[[38, 2, 40, 2, 38, 12]]),
            annotation(1, [1, 2, 3, 4]),
            annotation(5, [1, 2, 3, 4], image_id=8),
            annotation(6, [1, 2, 3, 4], category_id=8),
            annotation(7, [1, 2, 3, 4], segmentation=[[1, 2, 3, 4]]),
            annotation(8, [1, 2, 3, 4], segmentation={"size": [4, 4], "counts": [16]}),
            annotation(9, [1, 2, 3, 4], segmentation=None),
            annotation(10, [1, 2, 3, 5], area=25),  # more than (3 + 1) x (5 + 1) = 24
            annotation(11, [1, 2, 3, 6], area="6"),
            annotation(12, [1, 2, 3]),
            annotation(0, [1, 2, 3, 7]),
            {"id": 13},
            annotation(14, [1, 2, 3, 4], segmentation=[[1, 2, 4, 2, 1, 6, 3]]),
            annotation(15, [1, 2, 3, 4], segmentation=[[1, 2, 4, 2, 1, 31]]),
            annotation(16, [1, 2, 3, 4], segmentation=[[1, 2, 4, 2, 1, 300]]),
            annotation(17, [1, 2, 3, 4], segmentation=[]),
            annotation(18, [1, 2, 3, 4], segmentation=[[1, 2, 2, 3, 3, 4]]),
            annotation(19, [20, 20, 9, 9]),
            annotation(20, [1, 2, 3, 4], segmentation={"size": [30, 40], "counts": "1"}),
            annotation(21, [1, 2, 3, 4], segmentation={"size": [30, 40], "counts": [1200]}),
            annotation(22, [1, 2, float("nan"), 4]),
            annotation(23, [50, 2, 3, 4], category_id="bar"),
            annotation(24, [1, 2, 3, 4], iscrowd=2),
            annotation(25, [1, 2, 3, 8], area=0),
            annotation(26, [1, 2, 3, 4]),
            17,
        ],
    )
    assert sorted(found(split)) == sorted(
        [
            ("box outside", "annotation 2"),
            ("box of zero area", "annotation 3"),
            ("box partly outside", "annotation 4"),
            ("duplicate annotation id", "annotations[4]"),
            ("unknown image", "annotation 5"),
            ("unknown category", "annotation 6"),
            ("invalid polygon", "the segmentation of annotation 7"),
            ("run-length encoding of the wrong size", "the segmentation of annotation 8"),
            ("missing segmentation", "annotation 9"),
            ("implausible area", "annotation 10"),
            ("implausible area", "annotation 11"),
            ("ill-typed field", "annotation 12"),
            ("annotation id 0", "annotation 0"),
            ("missing field", "annotation 13"),
            ("missing field", "annotation 13"),
            ("missing field", "annotation 13"),
            ("missing segmentation", "annotation 13"),
            ("invalid polygon", "the segmentation of annotation 14"),
            ("polygon outside", "the segmentation of annotation 15"),  # 31 > 30 + 0.1
            ("invalid polygon", "the segmentation of annotation 16"),  # 300 > 2 x 30
            ("invalid segmentation", "the segmentation of annotation 17"),
            ("empty mask", "the segmentation of annotation 18"),
            ("mask outside its box", "the segmentation of annotation 19"),
            ("invalid run-length encoding", "the segmentation of annotation 20"),
            ("empty mask", "the segmentation of annotation 21"),
            ("ill-typed field", "annotation 22"),
            # One defect hides no other.
            ("ill-typed field", "annotation 23"),
            ("box outside", "annotation 23"),
            ("ill-typed field", "annotation 24"),
            ("implausible area", "annotation 25"),
            ("repeated annotation", "annotation 26"),
            ("not an object", "annotations[28]"),
        ]
    )
    check = check_split(split)
    assert check.annotations == 29
    assert all(defect.remedy for defect in check.defects)
    sentences = [defect.sentence() for defect in check.defects]
    assert (
        "annotation 4 has the box [38, 2, 10, 10] (x, y, width, height), "
        "partly outside its 40 x 30 image; training clips it; correct the box." in sentences
    )


def test_every_defect_of_images_is_found(tmp_path: Path) -> None:
    split = write_split(
        tmp_path,
        [annotation(1, [1, 2, 3, 4]), annotation(2, [1, 2, 3, 4], image_id=6)],
        images=[
            image(1, "1.png"),
            image(2, "absent.png"),
            image(3, "broken.png"),
            image(4, "turned.png"),
            image(5, "1.png"),
            image(1, "1.png"),
            image(6, "1.png", width=0),
            image(7, "large.png"),
            image(8, "cut.png"),
            image(9, "cut.jpg"),
            image(10, "whole.jpg"),
            image(11, "empty.png"),
            image(12, "folder"),
            image(13, "sub/1.png"),
            image(14, "a" * 300),
            image(15, "nul\0.png"),
        ],
        categories=[{"id": 3, "name": "bar"}, {"id": 4, "name": "bar"}, {"id": 3, "name": "x"}],
    )
    (split.images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not an image")
    Image.new("RGB", (30, 40)).save(split.images / "turned.png")
    Image.new("RGB", (41, 30)).save(split.images / "large.png")
    noise = Image.effect_noise((40, 30), 90)
    for name in ("cut.png", "cut.jpg", "whole.jpg"):
        noise.save(split.images / name)
    for name in ("cut.png", "cut.jpg"):
        content = (split.images / name).read_bytes()
        (split.images / name).write_bytes(content[:-20])
    # Some cameras write behind the end.
    (split.images / "whole.jpg").write_bytes((split.images / "whole.jpg").read_bytes() + b"x" * 200)
    (split.images / "empty.png").touch()
    (split.images / "folder").mkdir()
    assert sorted(found(split)) == sorted(
        [
            ("missing image file", "image 2"),
            ("unreadable image", "image 3"),
            ("wrong image size", "image 4"),
            ("duplicate file name", "image 5"),
            ("duplicate image id", "images[5]"),
            ("ill-typed field", "image 6"),
            ("wrong image size", "image 7"),
            ("unreadable image", "image 8"),
            ("unreadable image", "image 9"),
            ("unreadable image", "image 11"),
            ("unreadable image", "image 12"),
            ("missing image file", "image 13"),
            ("missing image file", "image 14"),
            ("missing image file", "image 15"),
            ("duplicate category name", "category 4"),
            ("duplicate category id", "categories[2]"),
        ]
    )
    sentences = [defect.sentence() for defect in check_split(split).defects]
    assert any("40 x 30 in the JSON but 41 x 30 in" in sentence for sentence in sentences)
    assert all(sentence.isprintable() for sentence in sentences)


def test_boxes_given_as_corners_are_told_by_their_masks(tmp_path: Path) -> None:
    square = [[10, 12, 20, 12, 20, 24, 10, 24]]
    split = write_split(
        tmp_path,
        [
            annotation(1, [10, 12, 20, 24], segmentation=square),
            annotation(2, [10, 12, 10, 12], segmentation=square),  # as COCO has it
            annotation(3, [10, 12, 18, 20], segmentation=square),  # neither: 8 x 8 of 10 x 12
            # Near the corner of the image both readings are nearly the same.
            annotation(4, [1, 1, 20, 24], segmentation=[[1, 1, 20, 1, 20, 24, 1, 24]]),
            annotation(5, [10, 12, 20, 17], segmentation={"size": [30, 40], "counts": _run()}),
        ],
    )
    corners = [where for kind, where in found(split) if kind == "box given as corners"]
    assert corners == ["annotation 1", "annotation 5"]


def _run() -> list[int]:
    """Rows 12 to 16 of columns 10 to 19 of a 30 x 40 image, column by column."""
    return [10 * 30 + 12, *[5, 25] * 9, 5, 20 * 30 + 13]


def test_boxes_that_leave_their_image_may_be_corners(tmp_path: Path) -> None:
    bare = {"segmentation": None, "area": None}
    boxes = [[10, 12, 38, 28], [5, 20, 40, 30], [1, 1, 3, 4]]
    split = write_split(tmp_path, [annotation(n + 1, b, **bare) for n, b in enumerate(boxes)])
    assert any("2 of 3 boxes leave" in note for note in check_split(split).notes)


def test_boxes_as_fractions_of_their_image(tmp_path: Path) -> None:
    bare = {"segmentation": None, "area": None}
    split = write_split(tmp_path, [annotation(1, [0.25, 0.5, 0.125, 0.25], **bare)])
    assert ("boxes as fractions", "every annotation") in found(split)


def test_boxes_of_a_pixel_are_no_fractions(tmp_path: Path) -> None:
    split = write_split(tmp_path, [annotation(1, [0, 0, 1, 1], segmentation=None, area=None)])
    assert found(split) == []


@pytest.mark.parametrize("orientation", [3, 6])
def test_photographs_that_exif_turns(tmp_path: Path, orientation: int) -> None:
    split = write_split(tmp_path, [], images=[image(1, "a.jpg"), image(2, "1.png")])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (40, 30)).save(split.images / "a.jpg", exif=exif)
    check = check_split(split)
    kinds = [defect.kind for defect in check.defects]
    assert kinds == (["photograph turned by EXIF"] if orientation == 6 else [])
    assert any("turn: 1 of 2 (first: a.jpg, orientation" in note for note in check.notes)
