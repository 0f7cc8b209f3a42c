"""The checker finds every planted defect, each once, and none in sound data."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from boxseg.data.check import check_split
from boxseg.data.coco_folder import coco_folder
from boxseg.data.dataset import Split
from boxseg.data.records import load_records
from boxseg.errors import InputError

DATA = Path(os.environ.get("BOXSEG_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
TRIANGLE = [[1, 2, 4, 2, 1, 6]]


def image(identity: int, file_name: str, width: int = 40, height: int = 30) -> dict[str, Any]:
    return {"id": identity, "file_name": file_name, "width": width, "height": height}


def annotation(identity: int, bbox: list[float], **fields: Any) -> dict[str, Any]:
    common = {"id": identity, "image_id": 1, "category_id": 3, "bbox": bbox}
    return {**common, "segmentation": TRIANGLE, "area": 6.0, **fields}


def write(
    root: Path,
    annotations: list[Any],
    images: list[Any] | None = None,
    categories: list[Any] | None = None,
) -> Split:
    folder = root / "train"
    folder.mkdir()
    Image.new("RGB", (40, 30)).save(folder / "1.png")
    document = {
        "images": [image(1, "1.png")] if images is None else images,
        "annotations": annotations,
        "categories": [{"id": 3, "name": "bar"}] if categories is None else categories,
    }
    path = root / "instances_train.json"
    path.write_text(json.dumps(document))
    return Split("train", path, folder)


def found(split: Split) -> list[tuple[str, str]]:
    return [(defect.kind, defect.where) for defect in check_split(split).defects]


def test_a_sound_split_has_no_defect(tmp_path: Path) -> None:
    split = write(
        tmp_path,
        [annotation(1, [1, 2, 3, 4]), annotation(2, [0, 0, 9, 9], iscrowd=1)],
        categories=[{"id": 3, "name": "bar"}, {"id": 4, "name": "ring"}],
    )
    check = check_split(split)
    assert check.defects == ()
    assert check.notes == ()
    assert check.sentence() == (
        "train: images 1, annotations 2 (crowd 1), categories 1 of 2 used, defects 0."
    )


def test_every_defect_of_annotations_is_found(tmp_path: Path) -> None:
    split = write(
        tmp_path,
        [
            annotation(1, [1, 2, 3, 4]),
            annotation(2, [50, 2, 3, 4]),
            annotation(3, [1, 2, 0, 4]),
            annotation(4, [38, 2, 10, 10]),
            annotation(1, [1, 2, 3, 4]),
            annotation(5, [1, 2, 3, 4], image_id=8),
            annotation(6, [1, 2, 3, 4], category_id=8),
            annotation(7, [1, 2, 3, 4], segmentation=[[1, 2, 3, 4]]),
            annotation(8, [1, 2, 3, 4], segmentation={"size": [4, 4], "counts": [16]}),
            annotation(9, [1, 2, 3, 4], segmentation=None),
            annotation(10, [1, 2, 3, 4], area=21),  # more than (3 + 1) x (4 + 1) = 20
            annotation(11, [1, 2, 3, 4], area="6"),
            annotation(12, [1, 2, 3]),
            annotation(0, [1, 2, 3, 4]),
            {"id": 13},
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
            ("invalid segmentation", "the segmentation of annotation 7"),
            ("invalid segmentation", "the segmentation of annotation 8"),
            ("missing segmentation", "annotation 9"),
            ("implausible area", "annotation 10"),
            ("implausible area", "annotation 11"),
            ("ill-typed field", "annotation 12"),
            ("annotation id 0", "annotation 0"),
            ("missing field", "annotation 13"),
            ("missing field", "annotation 13"),
            ("missing field", "annotation 13"),
        ]
    )
    check = check_split(split)
    assert check.annotations == 15
    assert all(defect.remedy for defect in check.defects)
    sentences = [defect.sentence() for defect in check.defects]
    assert (
        "annotation 4 has the box [38, 2, 10, 10] (x, y, width, height), "
        "partly outside its 40 x 30 image; training clips it; correct the box." in sentences
    )


def test_every_defect_of_images_is_found(tmp_path: Path) -> None:
    split = write(
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
        ],
        categories=[{"id": 3, "name": "bar"}, {"id": 4, "name": "bar"}, {"id": 3, "name": "x"}],
    )
    (split.images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not an image")
    Image.new("RGB", (30, 40)).save(split.images / "turned.png")
    Image.new("RGB", (41, 30)).save(split.images / "large.png")
    assert sorted(found(split)) == sorted(
        [
            ("missing image file", "image 2"),
            ("unreadable image", "image 3"),
            ("wrong image size", "image 4"),
            ("duplicate file name", "image 5"),
            ("duplicate image id", "images[5]"),
            ("ill-typed field", "image 6"),
            ("wrong image size", "image 7"),
            ("duplicate category name", "category 4"),
            ("duplicate category id", "categories[2]"),
        ]
    )
    sentences = [defect.sentence() for defect in check_split(split).defects]
    assert any("40 x 30 in the JSON but 41 x 30 in" in sentence for sentence in sentences)


def test_a_photograph_is_measured_upright(tmp_path: Path) -> None:
    """Stored 30 x 40 with "turn by a quarter": shown, and loaded for training, as 40 x 30."""
    split = write(tmp_path, [], images=[image(1, "turned.jpg")])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (30, 40)).save(split.images / "turned.jpg", exif=exif)
    assert found(split) == []


def test_a_malformed_file_has_that_defect_only(tmp_path: Path) -> None:
    split = write(tmp_path, [])
    split.annotations.write_text('{"images": [')
    check = check_split(split)
    assert [defect.kind for defect in check.defects] == ["unreadable JSON"]
    assert "is not valid JSON" in check.defects[0].sentence()
    assert "line 1" in check.defects[0].sentence()
    split.annotations.write_text("[]")
    assert [defect.kind for defect in check_split(split).defects] == ["not COCO JSON"]
    split.annotations.write_text('{"images": [], "categories": 3}')
    assert found(split) == [("missing list", "`categories`"), ("missing list", "`annotations`")]


def test_a_missing_image_folder_is_one_defect(tmp_path: Path) -> None:
    split = write(tmp_path, [annotation(1, [50, 2, 3, 4])])
    elsewhere = Split("train", split.annotations, tmp_path / "absent")
    assert found(elsewhere) == [
        ("missing image folder", "split train"),
        ("box outside", "annotation 1"),
    ]


def test_bare_images_and_box_only_splits_are_notes(tmp_path: Path) -> None:
    split = write(
        tmp_path,
        [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}],
        images=[image(1, "1.png"), image(2, "2.png")],
    )
    Image.new("RGB", (40, 30)).save(split.images / "2.png")
    check = check_split(split)
    assert check.defects == ()
    assert "images without an annotation: 1 of 2." in check.notes
    assert any("boxes only" in note for note in check.notes)


@pytest.mark.parametrize(
    "fields", [{}, {"segmentation": [[1]]}, {"segmentation": ...}, {"bbox": [1, 2]}]
)
def test_training_refuses_only_what_the_checker_reports(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    entry = {**annotation(2, [1, 2, 3, 4]), **fields}
    entry = {name: value for name, value in entry.items() if value is not ...}
    split = write(tmp_path, [annotation(1, [1, 2, 3, 4]), entry])
    try:
        load_records(split, with_masks=True)
        refused = False
    except InputError:
        refused = True
    assert refused == bool(check_split(split).defects) == bool(fields)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data in {DATA}")
@pytest.mark.parametrize(
    ("folder", "split"),
    [("coco128", "train2017"), ("coco-tiny", "train2017"), ("coco-tiny", "val2017")],
)
def test_real_splits_are_sound_and_counted_right(folder: str, split: str) -> None:
    chosen = coco_folder(DATA / folder).split(split)
    document = json.loads(chosen.annotations.read_text())
    check = check_split(chosen)
    assert check.defects == ()
    assert check.images == len(document["images"])
    assert check.annotations == len(document["annotations"])
    assert check.categories == len(document["categories"])
    assert check.categories_used == len({a["category_id"] for a in document["annotations"]})
    assert check.crowd == sum(a["iscrowd"] for a in document["annotations"])
