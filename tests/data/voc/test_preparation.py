"""`prepare_voc` once and again, and the dataset it makes; real images of VOC 2012."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as run_length

from boxseg.data.records import load_records
from boxseg.data.voc.boxes import voc_corners
from boxseg.data.voc.dataset import check_voc, prepare_voc, voc
from boxseg.data.voc.devkit import CLASSES
from boxseg.engine.evaluation import ground_truth
from boxseg.errors import InputError
from tests.data.voc.downloads import HEIGHT, WIDTH, Sbd, Voc, object_xml, rectangle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images of train, one of val, one of SBD; each with a dog."""
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    rectangle(labels, 1, (4, 4, 13, 13))
    dog = object_xml("dog", (3, 3, 14, 14))
    for name, image_set in (("2008_000001", "train"), ("2008_000002", "train"), ("a", "val")):
        Voc(tmp_path).add(name, f"Segmentation/{image_set}", [dog], labels)
    Sbd(tmp_path).add("2008_000004", "val", labels, [12])
    return tmp_path


def test_what_is_prepared_trains_and_evaluates(root: Path) -> None:
    preparation = prepare_voc(root)
    assert preparation.lines[-1] == (
        f"train_aug: images 3, annotations 3; written to {root}/annotations/"
        "instances_train_aug.json."
    )
    assert "train_aug is a part of VOC 2012 with SBD as published, where it has 10582 images." in (
        preparation.shortfalls
    )
    dataset = voc(root)
    assert (dataset.train, dataset.evaluate) == ("train_aug", "val")
    split = dataset.split(dataset.train)
    assert split.boxes is not None
    boxes = load_records(split, with_masks=False)
    masks = load_records(split, with_masks=True)
    assert boxes.report.file == "boxes_train_aug.json"
    assert [r["image_id"] for r in boxes.records] == [2008000001, 2008000002, 2008000004]
    # Corners (3, 3, 14, 14) end at 14; SBD's mask from 4 to 13 begins at 3 and ends at 13.
    assert [r["annotations"][0]["bbox"] for r in boxes.records] == [
        [2, 2, 14, 14],
        [2, 2, 14, 14],
        [3, 3, 13, 13],
    ]
    for record in masks.records:
        record["annotations"][0].pop("segmentation")
    assert boxes.records == masks.records
    assert len(boxes.categories) == 20
    truth, masked = ground_truth(dataset.split("val").annotations)
    assert masked
    assert [a["area"] for a in truth.dataset["annotations"]] == [100]


def test_preparing_again_verifies_and_writes_nothing(root: Path) -> None:
    prepare_voc(root)
    files = sorted((root / "annotations").iterdir())
    assert [file.name for file in files if "val" in file.name] == [
        "boxes_val.json",
        "instances_val.json",
        "prepared_val.json",
    ]
    before = {file: file.stat().st_mtime_ns for file in files}
    lines = prepare_voc(root).lines
    assert lines == (
        "train: images 2, annotations 2; as prepared before.",
        "val: images 1, annotations 1; as prepared before.",
        "train_aug: images 3, annotations 3; as prepared before.",
    )
    assert {file: file.stat().st_mtime_ns for file in files} == before
    record = json.loads((root / "annotations" / "prepared_train.json").read_text())
    assert (record["images"], record["annotations"], record["categories"]) == (2, 2, 20)


def test_converting_twice_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        prepare_voc(root, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    assert voc(root, prepared=tmp_path / "one").split("val").annotations.is_file()


def test_a_changed_json_is_refused(root: Path) -> None:
    prepare_voc(root)
    file = root / "annotations" / "instances_train.json"
    file.write_text(file.read_text().replace('"area": 100', '"area": 101'))
    with pytest.raises(InputError, match=r"train\.json is not the file that was prepared"):
        prepare_voc(root)
    kinds = [d.kind for check in check_voc(root) for d in check.defects]
    assert kinds == ["not as prepared"]


def test_a_changed_image_set_is_refused(root: Path) -> None:
    prepare_voc(root)
    image_set = root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "train.txt"
    image_set.write_text("2008_000001\n")
    with pytest.raises(InputError, match="has other images than its image set has now; delete"):
        prepare_voc(root)


def test_another_outcome_than_recorded_is_refused_before_anything_is_written(root: Path) -> None:
    prepare_voc(root)
    file = root / "annotations" / "instances_train.json"
    before = file.read_bytes()
    file.unlink()
    assert f"written to {file}" in prepare_voc(root).lines[0]
    assert file.read_bytes() == before
    file.unlink()
    xml = root / "VOCdevkit" / "VOC2012" / "Annotations" / "2008_000001.xml"
    xml.write_text(xml.read_text().replace("<xmin>3<", "<xmin>2<"))
    with pytest.raises(InputError, match=r"came out otherwise than .*prepared_train\.json records"):
        prepare_voc(root)
    assert not file.exists()


def test_a_foreign_json_is_not_overwritten(root: Path) -> None:
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text("{}")
    with pytest.raises(InputError, match=r"is there without .*prepared_train\.json"):
        prepare_voc(root)
    assert (root / "annotations" / "instances_train.json").read_text() == "{}"


def test_what_cannot_be_converted_is_named_and_the_others_counted(root: Path) -> None:
    for name in ("2008_000001", "2008_000002"):
        (root / "VOCdevkit" / "VOC2012" / "Annotations" / f"{name}.xml").unlink()
    with pytest.raises(
        InputError, match=r"train: image 2008_000001: .*No such file.* \(and 1 more; `boxseg data c"
    ):
        prepare_voc(root)
    assert not (root / "annotations").exists()


def test_unprepared_data_say_what_to_do(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run `boxseg data prepare voc --root .*` first"):
        voc(root)
    with pytest.raises(InputError, match="dataset voc needs its folder"):
        voc(None)


def test_id_lists_are_of_train_aug(root: Path) -> None:
    ids = root / "ids.txt"
    ids.write_text("2008000004\n")
    prepare_voc(root, ids=ids)
    dataset = voc(root, ids=ids)
    loaded = load_records(dataset.split(dataset.train), False, dataset.train_ids)
    assert [record["image_id"] for record in loaded.records] == [2008000004]
    ids.write_text("2008000004\n5\n")
    with pytest.raises(InputError, match="image 5 of the id list is not in train_aug"):
        prepare_voc(root, ids=ids)


def test_real_images_of_voc(test_data_dir: Path, tmp_path: Path) -> None:
    root = test_data_dir / "voc-tiny"
    (check,) = check_voc(root, tmp_path)
    assert (check.images, check.annotations, check.defects) == (3, 9, ())
    assert list(tmp_path.iterdir()) == []
    prepare_voc(root, tmp_path)
    document = json.loads((tmp_path / "instances_val.json").read_text())
    devkit = root / "VOCdevkit" / "VOC2012"
    # The pixels of each object, as a look at the images tells: numbers 3 of the first and 4 and 7
    # of the second are a bottle, a chair and a sofa, which the XML leaves out.
    expected = {"2011_000003": [1, 2], "2011_000006": [1, 2, 3, 5], "2011_000025": [1, 2, 3]}
    for image in document["images"]:
        name = image["file_name"].removesuffix(".jpg")
        theirs = [
            (
                CLASSES.index(str(thing.findtext("name"))) + 1,
                tuple(
                    float(str(thing.findtext(f"bndbox/{side}")))
                    for side in ("xmin", "ymin", "xmax", "ymax")
                ),
            )
            for thing in ElementTree.parse(devkit / "Annotations" / f"{name}.xml").iter("object")
        ]
        ours = [a for a in document["annotations"] if a["image_id"] == image["id"]]
        assert [(a["category_id"], voc_corners(a["bbox"])) for a in ours] == theirs
        labels = np.asarray(Image.open(devkit / "SegmentationObject" / f"{name}.png"))
        for annotation, label in zip(ours, expected[name], strict=True):
            mask = run_length.decode(annotation["segmentation"]).astype(bool)
            assert np.array_equal(mask, labels == label)
