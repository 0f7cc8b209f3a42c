"""Dataset dicts for training: which boxes are kept, and what masks have to do with it."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detectron2.structures import BoxMode
from pycocotools import mask as run_length

from boxseg.data.coco_folder import coco_folder
from boxseg.data.dataset import Split
from boxseg.data.records import evaluation_images, load_records
from boxseg.errors import InputError

DATA = Path(os.environ.get("BOXSEG_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
TRIANGLE = [[1, 2, 4, 2, 1, 6]]


def annotation(identity: int, bbox: list[float], **fields: Any) -> dict[str, Any]:
    common = {"id": identity, "image_id": 9, "category_id": 3, "bbox": bbox, "iscrowd": 0}
    return {**common, "segmentation": TRIANGLE, **fields}


DOCUMENT: dict[str, Any] = {
    "images": [
        {"id": 9, "file_name": "b.png", "width": 40, "height": 30},
        {"id": 4, "file_name": "sub/a.png", "width": 20, "height": 10},
    ],
    "categories": [{"id": 7, "name": "ring"}, {"id": 3, "name": "bar"}],
    "annotations": [
        annotation(1, [1, 2, 3, 4]),
        annotation(2, [30, 20, 20, 20]),  # partly outside
        annotation(3, [50, 20, 20, 20]),  # outside
        annotation(4, [5, 5, 0, 10]),  # zero area
        annotation(5, [5, 5, 10, 10], iscrowd=1, segmentation="not looked at"),
        annotation(6, [0, 0, 40, 30], category_id=7),
        annotation(7, [-9, 0, 9, 30]),  # outside: it ends where the image begins
    ],
}


def write(root: Path, document: dict[str, Any]) -> Split:
    (root / "train" / "sub").mkdir(parents=True, exist_ok=True)
    (root / "train" / "b.png").touch()
    (root / "train" / "sub" / "a.png").touch()
    path = root / "instances_train.json"
    path.write_text(json.dumps(document))
    return Split("train", path, root / "train")


def with_segmentations(segmentation: Any) -> dict[str, Any]:
    """The document with every segmentation replaced, or removed where it is `...`."""
    document = copy.deepcopy(DOCUMENT)
    for entry in document["annotations"]:
        entry["segmentation"] = segmentation
        if segmentation is ...:
            del entry["segmentation"]
    return document


def test_records_worked_by_hand(tmp_path: Path) -> None:
    split = write(tmp_path, DOCUMENT)
    loaded = load_records(split, with_masks=False)

    def box(category: int, *corners: float) -> dict[str, Any]:
        return {
            "bbox": list(corners),
            "bbox_mode": BoxMode.XYXY_ABS,
            "category_id": category,
            "iscrowd": 0,
        }

    # Categories by id: 3 -> 0, 7 -> 1. Annotation 2 ends at 30 + 20 > 40 and 20 + 20 > 30.
    assert loaded.records == [
        {
            "file_name": str(tmp_path / "train" / "sub" / "a.png"),
            "height": 10,
            "width": 20,
            "image_id": 4,
            "annotations": [],
        },
        {
            "file_name": str(tmp_path / "train" / "b.png"),
            "height": 30,
            "width": 40,
            "image_id": 9,
            "annotations": [
                box(0, 1.0, 2.0, 4.0, 6.0),
                box(0, 30.0, 20.0, 40.0, 30.0),
                box(1, 0.0, 0.0, 40.0, 30.0),
            ],
        },
    ]
    assert [category.name for category in loaded.categories] == ["bar", "ring"]
    assert loaded.report.sentence() == (
        "instances_train.json: 2 images (1 without a box left out), 3 boxes; "
        "dropped 1 (annotation 4) of zero area, 2 (annotations 3, 7) outside the image; "
        "clipped 1 (annotation 2); left out 1 crowd."
    )
    assert evaluation_images(split) == [
        {key: value for key, value in record.items() if key != "annotations"}
        for record in loaded.records
    ]


def test_a_report_without_incidents_is_short_and_one_with_many_gives_a_few_ids(
    tmp_path: Path,
) -> None:
    document = {**DOCUMENT, "images": DOCUMENT["images"][:1]}
    document["annotations"] = [annotation(1, [1, 2, 3, 4])]
    report = load_records(write(tmp_path, document), with_masks=False).report
    assert report.sentence() == "instances_train.json: 1 image, 1 box."
    document["annotations"] = [annotation(k, [1, 2, 0, 4]) for k in range(1, 6)]
    report = load_records(write(tmp_path, document), with_masks=False).report
    assert report.zero_area.count == 5
    assert "dropped 5 (annotations 1, 2, 3, ...) of zero area." in report.sentence()


@pytest.mark.parametrize("corrupted", ["x", [], [[1, 2]], {"size": 3}, None, 17, ...])
def test_without_masks_no_segmentation_matters(tmp_path: Path, corrupted: Any) -> None:
    clean = load_records(write(tmp_path, DOCUMENT), with_masks=False)
    split = write(tmp_path, with_segmentations(corrupted))
    assert load_records(split, with_masks=False) == clean
    with pytest.raises(InputError):
        load_records(split, with_masks=True)


def test_masks_add_the_segmentation_and_change_no_box(tmp_path: Path) -> None:
    """A mask that contradicts its box leaves the box as the JSON gives it."""
    document = with_segmentations([[20, 20, 30, 20, 30, 29]])
    split = write(tmp_path, document)
    masked = load_records(split, with_masks=True)
    entries = masked.records[1]["annotations"]
    assert [entry.pop("segmentation") for entry in entries] == [[[20, 20, 30, 20, 30, 29]]] * 3
    assert masked == load_records(split, with_masks=False)


def test_uncompressed_run_lengths_are_compressed(tmp_path: Path) -> None:
    # Column by column in an image 30 high: 35 off, 10 on, so column 1, rows 5 to 14.
    split = write(
        tmp_path, with_segmentations({"size": [30, 40], "counts": [35, 10, 30 * 40 - 45]})
    )
    encoded = load_records(split, with_masks=True).records[1]["annotations"][0]["segmentation"]
    expected = np.zeros((30, 40), dtype=np.uint8)
    expected[5:15, 1] = 1
    assert np.array_equal(run_length.decode(encoded), expected)


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        (..., "annotation 1 in .* has no `segmentation`; give it one or"),
        (None, "annotation 1 in .* has no `segmentation`"),
        ([[1, 2, 3, 4]], "the segmentation of annotation 1 in .* polygon 0 of 4 numbers .*; mend"),
        ({"size": [40, 30], "counts": [1200]}, r"size \[40, 30\] instead of \[30, 40\]; mend it"),
        ({"size": [30, 40], "counts": [1199]}, "do not add up to 40 x 30 pixels"),
    ],
)
def test_with_masks_a_bad_segmentation_is_named(
    tmp_path: Path, segmentation: Any, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        load_records(write(tmp_path, with_segmentations(segmentation)), with_masks=True)


def test_a_missing_image_is_named_and_the_others_counted(tmp_path: Path) -> None:
    split = write(tmp_path, DOCUMENT)
    (split.images / "b.png").unlink()
    with pytest.raises(InputError, match=r"image 9 in .* needs .*train/b\.png, which does not ex"):
        load_records(split, with_masks=False)
    (split.images / "sub" / "a.png").unlink()
    with pytest.raises(InputError, match=r"image 4 .* \(nor does the file of 1 other image\); put"):
        evaluation_images(split)


def test_a_split_without_images_is_refused(tmp_path: Path) -> None:
    split = write(tmp_path, {"images": [], "annotations": [], "categories": []})
    with pytest.raises(InputError, match=r"`images` in .* is empty"):
        load_records(split, with_masks=False)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data in {DATA}")
@pytest.mark.parametrize(
    ("folder", "split", "images", "boxes", "crowd"),
    [
        ("coco128", "train2017", 128, 929, 10),
        ("coco-tiny", "train2017", 80, 699, 6),
        ("coco-tiny", "val2017", 80, 804, 11),
    ],
)
def test_real_splits(folder: str, split: str, images: int, boxes: int, crowd: int) -> None:
    loaded = load_records(coco_folder(DATA / folder).split(split), with_masks=True)
    report = loaded.report
    assert (report.images, report.boxes, report.crowd.count) == (images, boxes, crowd)
    assert report.zero_area.count == report.outside.count == report.clipped.count == 0
    assert len(loaded.categories) == 80
    for record in loaded.records:
        for entry in record["annotations"]:
            x0, y0, x1, y1 = entry["bbox"]
            assert 0 <= x0 < x1 <= record["width"]
            assert 0 <= y0 < y1 <= record["height"]
            assert 0 <= entry["category_id"] < 80
