"""CVAT's XML for images."""

from __future__ import annotations

from pathlib import Path

from tests.data.foreign.sources import imported, picture, write

META = (
    "<meta><job><labels><label><name>dog</name><attributes><attribute><name>age</name></attribute>"
    "</attributes></label><label><name>cat</name></label><label><name>paw</name>"
    "<parent>cat</parent></label></labels></job></meta>"
)


def cvat(*images: str) -> str:
    return f'<?xml version="1.0"?><annotations>{META}{"".join(images)}</annotations>'


def image(name: str, *shapes: str, more: str = "") -> str:
    return f'<image id="0" name="{name}" width="16" height="12" {more}>{"".join(shapes)}</image>'


def box(x0: float, y0: float, x1: float, y1: float, more: str = "") -> str:
    return f'<box label="cat" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" {more}></box>'


def test_shapes_become_objects(tmp_path: Path) -> None:
    picture(tmp_path / "in/images/sub/a.jpg")
    picture(tmp_path / "in/images/b.jpg")
    shapes = [
        box(2, 3, 10, 9),
        box(2, 3, 10, 5, 'rotation="90"'),  # about its middle, (6, 4)
        '<ellipse label="dog" cx="6" cy="6" rx="4" ry="2" rotation="90"/>',
        '<mask label="dog" rle="0, 4" left="1" top="2" width="2" height="3"/>',
        '<polyline label="dog" points="1,1;2,2"/>',
        '<polygon label="dog" points="1,1;2"/>',
        '<box label="dog" xtl="1"/>',
        '<tag label="dog"/>',
    ]
    write(tmp_path / "in/annotations.xml", cvat(image("sub/a.jpg", *shapes), image("b.jpg")))
    found = imported(tmp_path / "in", tmp_path / "out", val_share=0)
    assert found.pictures == {
        "sub/a.jpg": [
            ("cat", [2, 3, 8, 6], None),
            ("cat", [5, 0, 2, 8], None),
            ("dog", [4, 2, 4, 8], None),
            ("dog", [1, 2, 2, 3], None),
        ],
        "b.jpg": [],
    }
    assert "masks of pixels taken as boxes: 1" in found.told
    assert "shapes that are no object (polyline): 1" in found.told
    assert "shapes whose numbers cannot be read (polygon): 1" in found.told
    assert "shapes whose numbers cannot be read (box): 1" in found.told
    assert "cvat: 2 pictures, 2 classes." in found.told


def test_subsets_are_splits_and_groups_are_objects(tmp_path: Path) -> None:
    picture(tmp_path / "in/images/Train/a.jpg")
    picture(tmp_path / "in/images/Validation/a.jpg")
    polygons = [
        f'<polygon label="cat" points="{points}" group_id="3"/>'
        for points in ("0,0;4,0;4,4", "8,8;12,8;12,12")
    ]
    write(
        tmp_path / "in/annotations.xml",
        cvat(
            image("Train/a.jpg", *polygons, more='subset="Train"'),
            image("Validation/a.jpg", more='subset="Validation"'),
        ),
    )
    found = imported(tmp_path / "in", tmp_path / "out")
    mask = [[0, 0, 4, 0, 4, 4], [8, 8, 12, 8, 12, 12]]
    assert found.splits == {
        "train": {"a.jpg": [("cat", [0, 0, 12, 12], mask)]},
        "val": {"a.jpg": []},
    }


def test_missing_pictures_and_videos_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "in/images/a.jpg")
    write(tmp_path / "in/1.xml", cvat(image("a.jpg", box(2, 3, 10, 9)), image("gone.jpg")))
    write(tmp_path / "in/2.xml", cvat('<track id="0" label="cat"></track>'))
    found = imported(tmp_path / "in", tmp_path / "out")
    assert found.pictures == {"a.jpg": [("cat", [2, 3, 8, 6], None)]}
    assert sorted(found.outcome.complaints) == [
        "1.xml image gone.jpg is of the picture gone.jpg, which is not there; it is skipped.",
        "2.xml is CVAT for video; export it as CVAT for images 1.1; it is skipped.",
    ]
