"""COCO 2017 as downloaded: what is there, what is missing, and what is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from boxseg.data.check import check_split
from boxseg.data.coco_2017 import coco_2017, prepare_coco
from boxseg.data.records import evaluation_images, load_records
from boxseg.engine.evaluation import ground_truth
from boxseg.errors import InputError
from tests.data.coco_documents import annotation, image


def write(root: Path, name: str, images: int = 2, folder: str | None = None) -> dict[str, Any]:
    """A JSON of so many images, each with an annotation; the images if there is a folder."""
    document: dict[str, Any] = {
        "images": [image(k, f"{k:012d}.jpg") for k in range(1, images + 1)],
        "categories": [{"id": 3, "name": "bar"}],
    }
    if name.startswith("instances"):
        document["annotations"] = [
            annotation(k, [1, 2, 3, 4], image_id=k) for k in range(1, images + 1)
        ]
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / f"{name}.json").write_text(json.dumps(document))
    if folder is not None:
        (root / folder).mkdir()
        for entry in document["images"]:
            Image.new("RGB", (40, 30)).save(root / folder / entry["file_name"])
    return document


def test_a_part_is_prepared_and_its_difference_told(tmp_path: Path) -> None:
    write(tmp_path, "instances_train2017", 3, "train2017")
    preparation = prepare_coco(tmp_path)
    assert preparation.lines == (
        "train2017: images 3, annotations 3; boxes without masks in "
        f"{tmp_path}/annotations/boxes_train2017.json.",
    )
    assert preparation.shortfalls == (
        "train2017 is a part of COCO 2017 as published, where it has 118287 images and 860001 "
        "annotations.",
        "val2017 is not there; to use it, get val2017.zip and annotations_trainval2017.zip from "
        "COCO's site, https://cocodataset.org/#download.",
        "test-dev is not there; to use it, get test2017.zip and image_info_test2017.zip from "
        "COCO's site, https://cocodataset.org/#download.",
    )


def test_more_annotations_than_published_are_no_part(tmp_path: Path) -> None:
    document = write(tmp_path, "instances_val2017", 5000)
    (tmp_path / "val2017").mkdir()
    for entry in document["images"]:
        (tmp_path / "val2017" / entry["file_name"]).touch()
    difference = prepare_coco(tmp_path).shortfalls[1]
    assert difference == (
        "val2017 is not COCO 2017 as published, where it has 5000 images and 36781 annotations."
    )


def test_what_is_there_in_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no COCO 2017 .* https://cocodataset.org/#downl"):
        prepare_coco(tmp_path)
    write(tmp_path, "instances_train2017", 3)
    with pytest.raises(InputError, match=r"train2017\.json is there without its images .*; get tr"):
        prepare_coco(tmp_path)
    (tmp_path / "train2017").mkdir()
    with pytest.raises(InputError, match=r"lacks 3 of 3 images, 000000000001\.jpg first; get tr"):
        prepare_coco(tmp_path)
    (tmp_path / "annotations" / "instances_train2017.json").unlink()
    with pytest.raises(InputError, match=r"train2017 is there without .*instances_train2017\.json"):
        prepare_coco(tmp_path)


def test_an_id_list_limits_the_images_needed(tmp_path: Path) -> None:
    write(tmp_path, "instances_train2017", 3, "train2017")
    (tmp_path / "train2017" / "000000000002.jpg").unlink()
    ids = tmp_path / "ids.txt"
    ids.write_text("1\n3\n")
    assert f"; 2 images listed in {ids}, all there." in prepare_coco(tmp_path, ids=ids).lines[0]
    dataset = coco_2017(tmp_path, ids=ids)
    loaded = load_records(dataset.split(dataset.train), False, dataset.train_ids)
    assert [record["image_id"] for record in loaded.records] == [1, 3]
    ids.write_text("1\n2\n")
    with pytest.raises(InputError, match=r"lacks 1 of 2 images, 000000000002\.jpg first"):
        prepare_coco(tmp_path, ids=ids)
    ids.write_text("1\n4\n")
    with pytest.raises(InputError, match=r"image 4 of the id list is not in"):
        prepare_coco(tmp_path, ids=ids)


def test_what_is_prepared_is_trained_on(tmp_path: Path) -> None:
    write(tmp_path, "instances_train2017", 3, "train2017")
    assert coco_2017(tmp_path).split("train2017").boxes is None
    prepare_coco(tmp_path, tmp_path / "elsewhere")
    assert coco_2017(tmp_path).split("train2017").boxes is None
    split = coco_2017(tmp_path, prepared=tmp_path / "elsewhere").split("train2017")
    assert load_records(split, with_masks=False).report.file == "boxes_train2017.json"


def test_evaluation_does_without_the_training_split(tmp_path: Path) -> None:
    write(tmp_path, "instances_val2017", 2, "val2017")
    dataset = coco_2017(tmp_path)
    assert len(evaluation_images(dataset.split(dataset.evaluate))) == 2
    with pytest.raises(InputError, match="no split 'train2017'; choose one of val2017"):
        dataset.split(dataset.train)


def test_test_dev_has_images_and_no_annotations(tmp_path: Path) -> None:
    write(tmp_path, "image_info_test-dev2017", 2, "test2017")
    preparation = prepare_coco(tmp_path)
    assert preparation.lines == ("test-dev: images 2, annotations 0.",)
    split = coco_2017(tmp_path).split("test-dev")
    assert [entry["image_id"] for entry in evaluation_images(split)] == [1, 2]
    assert check_split(split).defects == ()
    with pytest.raises(InputError, match="lists images without annotations, so nothing can be"):
        ground_truth(split.annotations)
    with pytest.raises(InputError, match=r"`annotations` in .* is missing"):
        load_records(split, with_masks=False)


@pytest.mark.parametrize(
    ("folder", "splits"),
    [("coco128", {"train2017": (128, 939)}), ("coco-tiny", {"train2017": (80, 705)})],
)
def test_real_parts(
    test_data_dir: Path, tmp_path: Path, folder: str, splits: dict[str, tuple[int, int]]
) -> None:
    root = test_data_dir / folder
    preparation = prepare_coco(root, tmp_path)
    images, annotations = splits["train2017"]
    assert preparation.lines[0] == (
        f"train2017: images {images}, annotations {annotations}; boxes without masks in "
        f"{tmp_path}/boxes_train2017.json."
    )
    boxed = coco_2017(root, prepared=tmp_path).split("train2017")
    plain = coco_2017(root).split("train2017")
    assert load_records(boxed, False).records == load_records(plain, False).records


def test_the_box_only_json_is_far_smaller(test_data_dir: Path, tmp_path: Path) -> None:
    full = test_data_dir / "coco128" / "annotations" / "instances_train2017.json"
    prepare_coco(test_data_dir / "coco128", tmp_path)
    assert (tmp_path / "boxes_train2017.json").stat().st_size < full.stat().st_size / 3
