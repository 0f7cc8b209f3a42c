"""Folders of LabelMe's JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.foreign.sources import imported, labelme, picture, shape, write

TRIANGLE = [[2, 3], [10, 3], [10, 9]]


def test_rectangles_are_by_any_two_corners_and_polygons_are_masks(tmp_path: Path) -> None:
    picture(tmp_path / "in/images/Ä 1.jpg")
    picture(tmp_path / "in/images/b.jpg")
    write(tmp_path / "in/json/1.json", labelme("..\\images\\Ä 1.jpg", shape(7, [[10, 9], [2, 3]])))
    document = labelme("../images/b.jpg", shape("cat", TRIANGLE, "polygon"))
    del document["shapes"][0]["shape_type"], document["imageWidth"]  # as the first versions wrote
    write(tmp_path / "in/json/b.json", document, encoding="utf-8-sig")
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {
        "b.jpg": [("cat", [2, 3, 8, 6], [[2, 3, 10, 3, 10, 9]])],
        "Ä 1.jpg": [("7", [2, 3, 8, 6], None)],
    }


def test_shapes_of_a_group_are_one_object(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    shapes = [
        shape("cat", [[0, 0], [4, 0], [4, 4]], "polygon", group_id=1),
        shape("cat", [[8, 8], [12, 8], [12, 12]], "polygon", group_id=1),
        shape("dog", [[8, 8], [12, 8], [12, 12]], "polygon", group_id=1),
        shape("cat", [[8, 0], [12, 0], [12, 4]], "polygon"),
    ]
    write(tmp_path / "in/a.json", labelme("a.jpg", *shapes))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures["a.jpg"] == [
        ("cat", [0, 0, 12, 12], [[0, 0, 4, 0, 4, 4], [8, 8, 12, 8, 12, 12]]),
        ("dog", [8, 8, 4, 4], [[8, 8, 12, 8, 12, 12]]),
        ("cat", [8, 0, 4, 4], [[8, 0, 12, 0, 12, 4]]),
    ]


def test_other_shapes_are_boxes_or_counted(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    shapes = [
        shape("cat", [[6, 6], [6, 9]], "circle"),
        shape("cat", [[2, 3], [9, 8]], "mask", mask="iVBO"),
        shape("cat", [[6, 6]], "point"),
        shape("cat", [[6, 6], [7, 7]], "linestrip"),
        shape("cat", [], "polygon"),
        shape("cat", [[6, "x"], [7, 7]]),
        shape(None, [[2, 3], [9, 8]]),
        "nothing",
    ]
    write(tmp_path / "in/a.json", labelme("a.jpg", *shapes))
    write(tmp_path / "in/settings.json", {"a": 1})
    found = imported(tmp_path / "in", tmp_path / "out")
    assert [box for _, box, _ in found.pictures["a.jpg"]] == [[3, 3, 6, 6], [2, 3, 8, 6]]
    for reason in (
        "shapes that are no object (point): 1 (a.json shape 3)",
        "shapes that are no object (linestrip): 1",
        "shapes without points: 3 (a.json shape 5, a.json shape 6, a.json shape 8)",
        "objects of no class: 1 (a.json shape 7)",
        "JSON files that are not LabelMe's: 1 (settings.json)",
        "masks of pixels taken as boxes: 1 (a.json shape 2)",
    ):
        assert reason in found.told
    assert not found.outcome.complaints


def test_polygons_are_cut_at_the_border(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg", (16, 12))
    points = [[-4, 2], [8, 2], [8, 14], [-4, 14]]
    write(tmp_path / "in/a.json", labelme("a.jpg", shape("cat", points, "polygon")))
    found = imported(tmp_path / "in", tmp_path / "out")
    ((_, box, mask),) = found.pictures["a.jpg"]
    assert box == [0, 2, 8, 10]
    assert sorted(zip(mask[0][::2], mask[0][1::2], strict=True)) == [
        (0, 2),
        (0, 12),
        (8, 2),
        (8, 12),
    ]


def test_polygons_of_the_stored_pixels_are_turned_with_them(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg", (16, 12), orientation=6)
    write(tmp_path / "in/a.json", labelme("a.jpg", shape("cat", TRIANGLE, "polygon")))
    found = imported(tmp_path / "in", tmp_path / "out")
    # A quarter turn clockwise takes (x, y) to (12 - y, x).
    assert found.pictures["a.jpg"] == [("cat", [3, 2, 6, 8], [[9, 2, 9, 10, 3, 10]])]


def test_pictures_without_shapes_are_kept_and_those_without_json_are_not(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / f"in/{name}.jpg")
    write(tmp_path / "in/a.json", labelme("a.jpg", shape("cat", [[0, 0], [4, 4]])))
    write(tmp_path / "in/b.json", labelme("b.jpg"))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a.jpg": [("cat", [0, 0, 4, 4], None)], "b.jpg": []}
    assert "pictures without annotations: 1 (c.jpg)" in found.told


@pytest.mark.parametrize(
    "content", ["{", "[" * 100_000, '{"shapes": []}', '{"shapes": [], "imagePath": "x.jpg"}']
)
def test_broken_files_are_named_and_the_rest_is_done(content: str, tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    write(tmp_path / "in/a.json", labelme("a.jpg", shape("cat", [[0, 0], [4, 4]])))
    write(tmp_path / "in/b.json", content)
    found = imported(tmp_path / "in", tmp_path / "out")
    assert list(found.pictures) == ["a.jpg"]
    assert [line.split()[0] for line in found.outcome.complaints] == ["b.json"]
