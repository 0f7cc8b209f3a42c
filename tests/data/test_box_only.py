"""The box-only JSON: no trace of a mask, the same training data, never of other annotations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boxseg.data.box_only import box_only_path, write_box_only
from boxseg.data.coco_folder import coco_folder
from boxseg.data.dataset import Split
from boxseg.data.records import load_records
from boxseg.errors import InputError
from tests.data.coco_documents import annotation, image, write_split


@pytest.fixture
def split(tmp_path: Path) -> Split:
    annotations = [
        annotation(1, [1, 2, 3, 4]),
        annotation(2, [5, 6, 7, 8], iscrowd=1, segmentation={"size": [30, 40], "counts": [1200]}),
        annotation(3, [30, 20, 20, 20], segmentation="nothing"),
    ]
    return write_split(tmp_path, annotations, images=[image(1, "1.png"), image(2, "1.png")])


def with_boxes(split: Split) -> Split:
    target = box_only_path(split.name, split.annotations.parent)
    write_box_only(split.annotations, target)
    return replace(split, boxes=target)


def keys(node: Any) -> set[str]:
    if isinstance(node, dict):
        return set(node) | {key for value in node.values() for key in keys(value)}
    return {key for value in node for key in keys(value)} if isinstance(node, list) else set()


def test_no_field_of_a_mask_is_left(split: Split) -> None:
    boxes = with_boxes(split).boxes
    assert boxes is not None
    document = json.loads(boxes.read_text())
    assert not keys(document) & {"segmentation", "area"}
    assert document["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]},
        {"id": 2, "image_id": 1, "category_id": 3, "bbox": [5, 6, 7, 8], "iscrowd": 1},
        {"id": 3, "image_id": 1, "category_id": 3, "bbox": [30, 20, 20, 20]},
    ]


def test_training_is_the_same_from_either_json(split: Split) -> None:
    plain = load_records(split, with_masks=False)
    boxed = load_records(with_boxes(split), with_masks=False)
    assert boxed.records == plain.records
    assert boxed.categories == plain.categories
    assert boxed.report == replace(plain.report, file="boxes_train.json")


def test_masks_come_from_the_full_json_only(tmp_path: Path) -> None:
    split = with_boxes(write_split(tmp_path, [annotation(1, [1, 2, 3, 4])]))
    (record,) = load_records(split, with_masks=True).records
    assert record["annotations"][0]["segmentation"] == [[1, 2, 4, 2, 1, 6]]


def test_a_twin_of_other_annotations_is_refused_and_built_anew(split: Split) -> None:
    boxed = with_boxes(split)
    document = json.loads(split.annotations.read_text())
    document["annotations"][0]["bbox"] = [1, 2, 3, 5]
    split.annotations.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"boxes_train\.json was not built from .* as it is now"):
        load_records(boxed, with_masks=False)
    again = load_records(with_boxes(split), with_masks=False)
    assert again.records[0]["annotations"][0]["bbox"] == [1, 2, 4, 7]


@pytest.mark.parametrize("content", ["[]", '{"info": 3}', '{"info": {"built_from": []}}'])
def test_a_twin_that_is_none_is_refused(split: Split, content: str) -> None:
    boxed = with_boxes(split)
    assert boxed.boxes is not None
    boxed.boxes.write_text(content)
    with pytest.raises(InputError, match="was not built from"):
        load_records(boxed, with_masks=False)


def test_an_unchanged_twin_is_not_written_again(split: Split) -> None:
    boxes = with_boxes(split).boxes
    assert boxes is not None
    before = boxes.stat().st_mtime_ns
    with_boxes(split)
    assert boxes.stat().st_mtime_ns == before


def test_it_is_no_split_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train.json").write_text("{}")
    box_only_path("train", tmp_path / "annotations").write_text("{}")
    assert list(coco_folder(tmp_path).splits) == ["train"]


def test_an_id_list_chooses_images(split: Split) -> None:
    for one in (split, with_boxes(split)):
        loaded = load_records(one, with_masks=False, only=frozenset({2}))
        assert [(r["image_id"], r["annotations"]) for r in loaded.records] == [(2, [])]
        assert loaded.report.crowd.count == 0
        with pytest.raises(InputError, match=r"image 3 of the id list is not in .* \(nor are 1 ot"):
            load_records(one, with_masks=False, only=frozenset({1, 3, 9}))


def test_images_that_the_list_leaves_out_need_no_file(tmp_path: Path) -> None:
    split = write_split(tmp_path, [], images=[image(1, "1.png"), image(2, "gone.png")])
    assert len(load_records(split, with_masks=False, only=frozenset({1})).records) == 1
    with pytest.raises(InputError, match=r"gone\.png, which does not exist"):
        load_records(split, with_masks=False)
