"""COCO's JSON as CVAT and Roboflow lay it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.data.foreign.sources import imported, picture, write

TRIANGLE = [[2, 3, 10, 3, 10, 9]]


def image(identity: int, name: str, **more: Any) -> dict[str, Any]:
    return {"id": identity, "file_name": name, "width": 16, "height": 12, **more}


def annotation(image_id: int, bbox: Any = (2, 3, 8, 6), category: Any = 1, **more: Any) -> Any:
    common = {"id": 5, "image_id": image_id, "category_id": category, "bbox": bbox}
    return common | {"iscrowd": 0, "segmentation": [], **more}


def coco(images: list[Any], annotations: list[Any], names: tuple[str, ...] = ("cat",)) -> Any:
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def test_roboflow_has_a_json_in_the_folder_of_each_split(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        picture(tmp_path / f"in/{split}/a.jpg")
        document = coco([image(0, "a.jpg")], [annotation(0)])
        document["categories"] = [
            {"id": 0, "name": "pets", "supercategory": "none"},
            {"id": 1, "name": "cat", "supercategory": "pets"},
            {"id": 2, "name": "dog", "supercategory": "dog"},
        ]
        write(tmp_path / f"in/{split}/_annotations.coco.json", document)
    found = imported(tmp_path / "in", tmp_path / "out")
    things = {"a.jpg": [("cat", [2, 3, 8, 6], None)]}
    assert found.splits == {"train": things, "val": things}
    assert "coco: 2 pictures, 2 classes." in found.told


def test_cvat_has_a_json_for_each_subset(tmp_path: Path) -> None:
    for split in ("Train", "Validation"):
        picture(tmp_path / f"in/images/{split}/1.jpg")
        entry = annotation(1, segmentation=TRIANGLE)
        write(
            tmp_path / f"in/annotations/instances_{split}.json", coco([image(1, "1.jpg")], [entry])
        )
    write(tmp_path / "in/annotations/person_keypoints_Train.json", coco([], []))
    found = imported(tmp_path / "in", tmp_path / "out")
    things = {"1.jpg": [("cat", [2, 3, 8, 6], TRIANGLE)]}
    assert found.splits == {"train": things, "val": things}
    assert "JSON files that are not of instances: 1" in found.told


def test_the_default_subset_is_no_split(tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / f"in/images/{number}.jpg")
    images = [image(number, f"sub\\{number}.jpg") for number in range(5)]
    document = coco(images, [annotation(number) for number in range(5)])
    write(tmp_path / "in/annotations/instances_default.json", document)
    found = imported(tmp_path / "in", tmp_path / "out", val_share=0.4)
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 3, "val": 2}


def test_crowds_and_encodings_are_kept(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    mask = {"size": [12, 16], "counts": [12 * 4, 6, 12 * 12 - 6]}
    things = [
        annotation(1, [4, 0, 1, 6], segmentation=mask, iscrowd=1),
        annotation(1, None, segmentation=TRIANGLE),
    ]
    write(tmp_path / "in/a.json", coco([image(1, "a.jpg")], things))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures["a.jpg"] == [
        ("cat", [4, 0, 1, 6], mask),
        ("cat", [2, 3, 8, 6], TRIANGLE),
    ]
    assert '"iscrowd": 1' in (tmp_path / "out/annotations/instances_train.json").read_text()


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    images = [image(1, "a.jpg"), image(1, "b.jpg"), image(2, "gone.jpg"), {"file_name": "c.jpg"}]
    things = [
        annotation(1),
        annotation(1, category=9),
        annotation(7),
        annotation(1, None),
        annotation(1, [0, 0, float("nan"), 1]),
        17,
    ]
    write(tmp_path / "in/a.json", coco(images, things))
    write(tmp_path / "in/b.json", "{")
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a.jpg": [("cat", [2, 3, 8, 6], None)]}
    for reason in (
        "images with the id of another: 1 (a.json image 2)",
        "images without an id: 1 (a.json image 4)",
        "objects of an unknown class: 1 (a.json annotation 5, class 9)",
        "annotations of an unknown picture: 1",
        "objects without a box: 2",
        "annotations that are no objects: 1 (a.json annotation 6)",
    ):
        assert reason in found.told
    assert sorted(found.outcome.complaints) == [
        "a.json image 2 is of the picture gone.jpg, which is not there; it is skipped.",
        "b.json is not valid JSON (Expecting property name enclosed in double quotes at line 1, "
        "column 2); it is skipped.",
    ]
