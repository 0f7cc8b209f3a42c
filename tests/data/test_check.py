"""What the checker says of sound data, of real data, and of what it cannot read at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from boxseg.data.check import check_split
from boxseg.data.coco_folder import coco_folder
from boxseg.data.dataset import Split
from boxseg.data.records import load_records
from boxseg.errors import InputError
from tests.data.coco_documents import annotation, found, image, write_split


def test_a_sound_split_has_no_defect(tmp_path: Path) -> None:
    split = write_split(
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


def test_a_photograph_is_measured_upright(tmp_path: Path) -> None:
    """Stored 30 x 40 with "turn by a quarter": shown, and loaded for training, as 40 x 30."""
    split = write_split(tmp_path, [], images=[image(1, "turned.jpg")])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (30, 40)).save(split.images / "turned.jpg", exif=exif)
    assert found(split) == []


def test_a_malformed_file_has_that_defect_only(tmp_path: Path) -> None:
    split = write_split(tmp_path, [])
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
    split = write_split(tmp_path, [annotation(1, [50, 2, 3, 4])])
    elsewhere = Split("train", split.annotations, tmp_path / "absent")
    assert found(elsewhere) == [
        ("missing image folder", "split train"),
        ("box outside", "annotation 1"),
    ]


def test_bare_images_and_box_only_splits_are_notes(tmp_path: Path) -> None:
    split = write_split(
        tmp_path,
        [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}],
        images=[image(1, "1.png"), image(2, "2.png")],
    )
    Image.new("RGB", (40, 30)).save(split.images / "2.png")
    check = check_split(split)
    assert check.defects == ()
    assert "images without an annotation: 1 of 2." in check.notes
    assert any("boxes only" in note for note in check.notes)


def test_masks_that_are_missing_here_and_there_are_counted(tmp_path: Path) -> None:
    """Tools write an empty list for a box without a mask."""
    entries = [annotation(number, [1, 2, 3, 3 + number]) for number in (1, 2, 3)]
    entries[1]["segmentation"] = []
    del entries[2]["segmentation"]
    split = write_split(tmp_path, entries)
    check = check_split(split)
    assert [(one.kind, one.where) for one in check.defects] == [
        ("invalid segmentation", "the segmentation of annotation 2"),
        ("missing segmentation", "annotation 3"),
    ]
    said = "annotations without a mask: 2 of 3, so that mask AP is not measured on this split."
    assert said in check.notes
    for entry in entries:
        entry["segmentation"] = []
    document = json.loads(split.annotations.read_text())
    split.annotations.write_text(json.dumps({**document, "annotations": entries}))
    check = check_split(split)
    assert check.defects == ()
    assert any("boxes only" in note for note in check.notes)
    with pytest.raises(InputError, match="has no `segmentation`"):
        load_records(split, with_masks=True)


@pytest.mark.parametrize(
    "fields", [{}, {"segmentation": [[1]]}, {"segmentation": ...}, {"bbox": [1, 2]}]
)
def test_training_refuses_only_what_the_checker_reports(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    entry = {**annotation(2, [1, 2, 4, 4]), **fields}
    entry = {name: value for name, value in entry.items() if value is not ...}
    split = write_split(tmp_path, [annotation(1, [1, 2, 3, 4]), entry])
    try:
        load_records(split, with_masks=True)
        refused = False
    except InputError:
        refused = True
    assert refused == bool(check_split(split).defects) == bool(fields)


@pytest.mark.parametrize(
    ("folder", "split"),
    [("coco128", "train2017"), ("coco-tiny", "train2017"), ("coco-tiny", "val2017")],
)
def test_real_splits_are_sound_and_counted_right(
    test_data_dir: Path, folder: str, split: str
) -> None:
    chosen = coco_folder(test_data_dir / folder).split(split)
    document = json.loads(chosen.annotations.read_text())
    check = check_split(chosen)
    assert check.defects == ()
    assert check.images == len(document["images"])
    assert check.annotations == len(document["annotations"])
    assert check.categories == len(document["categories"])
    assert check.categories_used == len({a["category_id"] for a in document["annotations"]})
    assert check.crowd == sum(a["iscrowd"] for a in document["annotations"])


def test_an_id_list_limits_the_files_looked_at(tmp_path: Path) -> None:
    split = write_split(tmp_path, [], images=[image(1, "1.png"), image(2, "gone.png")])
    assert check_split(split, frozenset({1})).defects == ()
    kinds = [(d.kind, d.where) for d in check_split(split, frozenset({1, 2, 3})).defects]
    assert kinds == [
        ("unknown id", "image 3 of the id list"),
        ("missing image file", "image 2"),
    ]


def test_files_that_no_image_lists_are_noted(tmp_path: Path) -> None:
    split = write_split(tmp_path, [annotation(1, [1, 2, 3, 4])])
    for name in ("2.JPG", "3.png", "notes.txt"):
        (split.images / name).touch()
    assert check_split(split).notes == (
        f"images in {split.images} that the JSON does not list: 2.",
    )


def test_a_split_without_annotations_may_be_meant(tmp_path: Path) -> None:
    """COCO keeps those of test-dev secret."""
    split = write_split(tmp_path, [])
    document = json.loads(split.annotations.read_text())
    del document["annotations"]
    split.annotations.write_text(json.dumps(document))
    assert found(split) == [("missing list", "`annotations`")]
    secret = Split("test-dev", split.annotations, split.images, annotated=False)
    check = check_split(secret)
    assert (check.images, check.annotations, check.defects, check.notes) == (1, 0, (), ())
