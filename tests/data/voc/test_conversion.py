"""Splits of VOC as COCO documents: which images, boxes, masks; what is left out and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as run_length

from boxseg.data.voc.boxes import voc_corners
from boxseg.data.voc.convert import Conversion, convert
from boxseg.data.voc.label_images import VOID
from boxseg.data.voc.splits import plan_splits
from boxseg.errors import InputError
from tests.data.voc.downloads import (
    HEIGHT,
    WIDTH,
    Sbd,
    Voc,
    number_of,
    object_xml,
    rectangle,
    save_photograph,
    save_xml,
)


def converted(root: Path) -> dict[str, Conversion]:
    return {plan.name: convert(plan) for plan in plan_splits(root)[0]}


def blank() -> np.ndarray:
    return np.zeros((HEIGHT, WIDTH), dtype=np.uint8)


def objects(conversion: Conversion) -> list[tuple[int, Any, tuple[float, ...]]]:
    """Image, category and VOC's corners of every annotation."""
    return [
        (a["image_id"], a["category_id"], voc_corners(a["bbox"]))
        for a in conversion.document["annotations"]
    ]


def test_boxes_are_the_xml_s_and_masks_the_label_image_s(tmp_path: Path) -> None:
    labels = blank()
    rectangle(labels, VOID, (3, 3, 14, 14))
    rectangle(labels, 1, (4, 4, 13, 13))
    rectangle(labels, 2, (8, 8, 30, 25))
    Voc(tmp_path).add(
        "2008_000002",
        "Segmentation/val",
        [object_xml("dog", (3, 3, 14, 14)), object_xml("cat", (7.5, 7.25, 31, 26))],
        labels,
    )
    conversion = converted(tmp_path)["val"]
    assert conversion.defects == conversion.notes == ()
    assert conversion.document["images"] == [
        {"id": 2008000002, "file_name": "2008_000002.jpg", "width": WIDTH, "height": HEIGHT}
    ]
    dog, cat = number_of("dog"), number_of("cat")
    assert objects(conversion) == [
        (2008000002, dog, (3, 3, 14, 14)),
        (2008000002, cat, (7.5, 7.25, 31, 26)),
    ]
    for label, annotation in enumerate(conversion.document["annotations"], start=1):
        mask = run_length.decode(annotation["segmentation"]).astype(bool)
        assert np.array_equal(mask, labels == label)
        assert annotation["area"] == mask.sum()
        assert annotation["iscrowd"] == 0
        assert annotation["id"] == label


def test_what_only_one_side_knows_is_left_out_and_told(tmp_path: Path) -> None:
    labels, classes = blank(), blank()
    rectangle(labels, 1, (4, 4, 13, 13))
    rectangle(labels, 2, (20, 4, 30, 13))
    classes[labels == 1], classes[labels == 2] = number_of("dog"), number_of("chair")
    xml = [object_xml("dog", (4, 4, 13, 13)), object_xml("cat", (1, 1, 9, 30))]
    Voc(tmp_path).add("2008_000002", "Segmentation/val", xml, labels, classes)
    conversion = converted(tmp_path)["val"]
    assert objects(conversion) == [(2008000002, number_of("dog"), (4, 4, 13, 13))]
    assert conversion.notes == (
        "objects of the XML without pixels of their own, left out: 1 (in 2008_000002).",
        "objects of the label image that the XML does not list, left out: 1 (in 2008_000002).",
    )


def test_train_aug_is_sbd_and_train_without_val(tmp_path: Path) -> None:
    voc, sbd = Voc(tmp_path), Sbd(tmp_path)
    labels = blank()
    rectangle(labels, 1, (4, 4, 13, 13))
    for name, image_set in (
        ("2008_000001", "train"),
        ("2008_000002", "train"),
        ("2008_000003", "val"),
    ):
        xml = [object_xml("dog", (3, 3, 14, 14))]
        voc.add(name, f"Segmentation/{image_set}", xml, labels)
    theirs = blank()
    rectangle(theirs, 1, (20, 4, 30, 13))
    for name, image_set in (
        ("2008_000002", "train"),  # also VOC's train
        ("2008_000003", "train"),  # also VOC's val
        ("2008_000004", "train"),
        ("2008_000005", "val"),
    ):
        sbd.add(name, image_set, theirs, [number_of("cow")])
    save_photograph(voc.folder / "JPEGImages" / "2008_000004.jpg")
    conversion = converted(tmp_path)["train_aug"]
    assert conversion.defects == ()
    dog, cow = number_of("dog"), number_of("cow")
    # VOC's own annotation, with the XML's box, wherever there is one; else SBD's, tight.
    assert objects(conversion) == [
        (2008000001, dog, (3, 3, 14, 14)),
        (2008000002, dog, (3, 3, 14, 14)),
        (2008000004, cow, (20, 4, 30, 13)),
        (2008000005, cow, (20, 4, 30, 13)),
    ]
    files = [image["file_name"] for image in conversion.document["images"]]
    # Only SBD has a copy of the last photograph.
    assert files[:3] == ["2008_000001.jpg", "2008_000002.jpg", "2008_000004.jpg"]
    assert (voc.folder / "JPEGImages" / files[3]).samefile(sbd.folder / "img" / "2008_000005.jpg")


def test_voc_2007_s_test_set(tmp_path: Path) -> None:
    """Boxes of all its images, difficult ones to be ignored; masks of those that have some."""
    voc = Voc(tmp_path, 2007)
    labels = blank()
    rectangle(labels, 1, (4, 4, 13, 13))
    xml = [object_xml("dog", (3, 3, 14, 14)), object_xml("cow", (20, 4, 30, 13), difficult=1)]
    voc.add("000001", "Main/test", xml)
    voc.add("000002", "Main/test", xml, labels)
    (voc.folder / "ImageSets" / "Segmentation").mkdir()
    (voc.folder / "ImageSets" / "Segmentation" / "test.txt").write_text("000002\n")
    conversions = converted(tmp_path)
    assert sorted(conversions) == ["segmentation-test2007", "test2007"]
    boxes = conversions["test2007"].document["annotations"]
    assert [(a["image_id"], a["iscrowd"]) for a in boxes] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert not any("segmentation" in a for a in boxes)
    assert objects(conversions["segmentation-test2007"]) == [(2, number_of("dog"), (3, 3, 14, 14))]


def test_one_image_s_defect_hides_no_other(tmp_path: Path) -> None:
    voc = Voc(tmp_path)
    dog = object_xml("dog", (3, 3, 14, 14))
    for k in range(1, 8):
        voc.add(f"2008_00000{k}", "Segmentation/val", [dog], blank())
    folder = voc.folder
    (folder / "JPEGImages" / "2008_000001.jpg").unlink()
    (folder / "JPEGImages" / "2008_000002.jpg").write_bytes(b"no image")
    save_photograph(folder / "JPEGImages" / "2008_000003.jpg", (20, 20))
    (folder / "Annotations" / "2008_000004.xml").write_text("<annotation>")
    save_xml(folder / "Annotations" / "2008_000005.xml", [object_xml("dragon", (1, 1, 2, 2))])
    (folder / "SegmentationObject" / "2008_000006.png").unlink()
    conversion = converted(tmp_path)["val"]
    sentences = [defect.sentence() for defect in conversion.defects]
    for sentence, said in zip(
        sentences,
        [
            "2008_000001.jpg does not exist; put it there.",
            "2008_000002.jpg cannot be read as an image (it is no image, or of an unknown format)",
            "2008_000003.png is 40 x 30 pixels and its photograph 20 x 20; restore the one",
            "2008_000004.xml is not valid XML",
            "object 1 in ",
            "2008_000006.png does not exist; restore it.",
        ],
        strict=True,
    ):
        assert said in sentence
    assert "has the class 'dragon', which is none of VOC's 20" in sentences[4]
    assert [image["id"] for image in conversion.document["images"]] == [2008000007]


@pytest.mark.parametrize(
    "corners", [(1, 1, "x", 4), (5, 1, 4, 4), (1, 5, 4, 4), (1, 1, "nan", 4), ("", "", "", "")]
)
def test_boxes_that_are_none(tmp_path: Path, corners: tuple[object, ...]) -> None:
    Voc(tmp_path).add("000001", "Segmentation/val", [object_xml("dog", corners)], blank())
    (defect,) = converted(tmp_path)["val"].defects
    assert "object 1 in" in defect.sentence()
    assert "(xmin, ymin, xmax, ymax), which is none; correct it." in defect.sentence()


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds neither VOCdevkit/VOC2012 nor VOCdevkit/VOC2007"):
        plan_splits(tmp_path)
    Voc(tmp_path).add("2008_000002", "Segmentation/train", [], blank())
    Sbd(tmp_path).add("2008_000003", "train", blank(), [])
    plans, missing = plan_splits(tmp_path)
    assert [plan.name for plan in plans] == ["train"]
    assert any(sentence.startswith("val needs ") for sentence in missing)
    assert any("train_aug needs VOC 2012's val set" in sentence for sentence in missing)
    assert any(sentence.startswith("test2007 needs VOC 2007") for sentence in missing)


@pytest.mark.parametrize("root", [".", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_root_may_be_any_of_three_folders(tmp_path: Path, root: str) -> None:
    Voc(tmp_path).add("2008_000002", "Segmentation/val", [], blank())
    assert [plan.name for plan in plan_splits(tmp_path / root)[0]] == ["val"]
