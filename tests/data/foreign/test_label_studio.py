"""Label Studio's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boxseg.errors import InputError
from tests.data.foreign.sources import imported, picture, write


def region(kind: str, value: dict[str, Any], labels: list[str] | None, **more: Any) -> Any:
    named = value if labels is None else {**value, kind: labels}
    size = {"original_width": 16, "original_height": 12, "image_rotation": 0}
    return {"id": "r", "type": kind, "value": named, **size, **more}


def box(*numbers: float, labels: list[str] | None = None, **more: Any) -> Any:
    value = dict(zip(("x", "y", "width", "height"), numbers, strict=True))
    return region("rectanglelabels", value | more, ["cat"] if labels is None else labels)


def task(image: str, *regions: Any, **more: Any) -> Any:
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(regions)}], **more}


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/1/0123abcd-a%20b.jpg",
        "/data/local-files/?d=in%2Fimages%2Fa%20b.jpg",
        "s3://bucket/folder/a b.jpg",
        "https://example.org/media/a%20b.jpg?sign=1",
        "C:\\images\\a b.jpg",
    ],
)
def test_percents_are_of_the_picture_at_an_address(address: str, tmp_path: Path) -> None:
    picture(tmp_path / "in/images/a b.jpg")
    write(tmp_path / "in/export.json", [task(address, box(25, 25, 50, 50))])
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a b.jpg": [("cat", [4, 3, 8, 6], None)]}


def test_polygons_are_masks(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    points = {"points": [[25, 25], [75, 25], [75, 75]]}
    write(tmp_path / "in/x.json", [task("a.jpg", region("polygonlabels", points, ["dog"]))])
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a.jpg": [("dog", [4, 3, 8, 6], [[4, 3, 12, 3, 12, 9]])]}


def test_other_regions_are_boxes_or_counted(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    numbers = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 25}
    regions = [
        region("ellipselabels", numbers, ["cat"]),
        # Turned by a quarter about its first corner, (12, 0), in pixels: 8 x 3 becomes 3 x 8.
        box(75, 0, 50, 25, rotation=90),
        box(0, 0, 50, 50, labels=["dog", "cat"]),
        box(50, 50, 50, 50, labels=[]),
        region("brushlabels", {"format": "rle", "rle": [1]}, ["cat"]),
        region("keypointlabels", {"x": 1, "y": 1}, ["cat"]),
        region("choices", {"choices": ["good"]}, None),
        region("rectanglelabels", {"x": "a", "y": 1, "width": 1, "height": 1}, ["cat"]),
        box(0, 0, 50, 50) | {"image_rotation": 90},
    ]
    write(tmp_path / "in/x.json", [task("a.jpg", *regions)])
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures["a.jpg"] == [
        ("cat", [4, 3, 8, 6], None),
        ("cat", [9, 0, 3, 8], None),
        ("dog", [0, 0, 8, 6], None),
    ]
    for reason in (
        "regions of several classes, taken by the first: 1 (x.json task 1 region 3)",
        "objects of no class: 1 (x.json task 1 region 4)",
        "regions that are neither a box nor a polygon (brushlabels): 1 (x.json task 1 region 5)",
        "regions that are neither a box nor a polygon (keypointlabels): 1",
        "regions whose numbers cannot be read: 1 (x.json task 1 region 8)",
        "regions drawn on a picture turned by hand: 1 (x.json task 1 region 9)",
    ):
        assert reason in found.told


def test_a_label_may_stand_apart_from_its_shape(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    numbers = {"x": 25, "y": 25, "width": 50, "height": 50}
    regions = [region("rectangle", numbers, None), region("labels", numbers, ["dog"])]
    write(tmp_path / "in/x.json", [task("a.jpg", *regions)])
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a.jpg": [("dog", [4, 3, 8, 6], None)]}


def test_tasks_that_are_not_annotated_are_left_out(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        picture(tmp_path / f"in/{name}.jpg")
    cancelled = {"result": [box(0, 0, 9, 9)], "was_cancelled": True}
    true = {"result": [box(25, 25, 50, 50)], "ground_truth": True}
    tasks = [
        task("a.jpg") | {"annotations": [cancelled, {"result": []}, true]},
        task("b.jpg"),
        task("c.jpg") | {"annotations": [], "predictions": [true]},
        task("d.jpg") | {"annotations": [cancelled]},
        task("gone.jpg"),
        task("words alone"),
        "no task",
    ]
    write(tmp_path / "in/x.json", tasks)
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a.jpg": [("cat", [4, 3, 8, 6], None)], "b.jpg": []}
    assert "tasks without an annotation: 2" in found.told
    assert "further annotations of one task: 1" in found.told
    assert "tasks that are none: 1 (x.json task 7)" in found.told
    assert "is of the picture gone.jpg, which is not there" in found.told
    assert "names no picture" in found.told


def test_the_short_form_is_told_apart(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    write(tmp_path / "in/x.json", [{"image": "a.jpg", "id": 1, "annotation_id": 1}])
    with pytest.raises(InputError, match="tasks of JSON-MIN, for which export JSON"):
        imported(tmp_path / "in", tmp_path / "out")


def test_percents_are_of_the_upright_picture_unless_its_size_tells_otherwise(
    tmp_path: Path,
) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"in/{name}.jpg", (16, 12), orientation=8)
    upright = box(25, 0, 50, 25) | {"original_width": 12, "original_height": 16}
    write(tmp_path / "in/x.json", [task("a.jpg", upright), task("b.jpg", box(25, 0, 50, 25))])
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {
        "a.jpg": [("cat", [3, 0, 6, 4], None)],
        # (4, 0, 12, 3) of 16 x 12 turned a quarter to the left: (x, y) becomes (y, 16 - x).
        "b.jpg": [("cat", [0, 4, 3, 8], None)],
    }
