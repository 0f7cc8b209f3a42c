from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools import mask as run_length

from boxseg.export.annotated import AnnotatedImage, AnnotatedObject
from boxseg.export.coco import polygons_of
from boxseg.export.instance_pngs import write_instance_pngs
from boxseg.export.labelme import write_labelme_image
from boxseg.export.yolo import write_yolo_image, write_yolo_index
from tests.export.test_polygons import discs, overlap

HEIGHT, WIDTH = 60, 80
WHOLE = discs(HEIGHT, WIDTH, (20, 20, 15))
PARTS = discs(HEIGHT, WIDTH, (30, 50, 9), (45, 70, 8))


def encoded(mask: np.ndarray) -> dict[str, object]:
    found = run_length.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(found["size"]), "counts": found["counts"].decode()}


@pytest.fixture
def image() -> AnnotatedImage:
    """A disc, an object in two parts, and a box without a mask, in a folder with odd names."""
    return AnnotatedImage(
        "Straße 1/07 Bär.photo.jpg",
        WIDTH,
        HEIGHT,
        (
            AnnotatedObject(7, 1, "bear", (5.0, 5.0, 35.0, 35.0), encoded(WHOLE)),
            AnnotatedObject(8, 0, "snow", (40.0, 20.0, 79.0, 54.0), encoded(PARTS)),
            AnnotatedObject(9, 1, "bear", (1.0, 2.0, 3.0, 4.0), None),
        ),
    )


def test_coco_s_polygons() -> None:
    for mask in (WHOLE, PARTS):
        parts = polygons_of(encoded(mask))
        again = run_length.merge(run_length.frPyObjects(parts, HEIGHT, WIDTH))
        assert overlap(run_length.decode(again).astype(bool), mask) > 0.93
    single = np.zeros((HEIGHT, WIDTH), bool)
    single[3, 5] = True
    assert polygons_of(encoded(single)) == [[5, 3, 6, 3, 6, 4, 5, 4]]


def test_yolo(image: AnnotatedImage, tmp_path: Path) -> None:
    file = write_yolo_image(tmp_path, "train", image)
    assert file == tmp_path / "labels" / "train" / "Straße 1" / "07 Bär.photo.txt"
    lines = [line.split() for line in file.read_text().splitlines()]
    assert [line[0] for line in lines] == ["1", "0"]
    for line, mask in zip(lines, (WHOLE, PARTS), strict=True):
        shares = np.array(line[1:], dtype=float).reshape(-1, 2)
        assert shares.min() >= 0 and shares.max() <= 1
        polygon = (shares * (WIDTH, HEIGHT)).ravel().tolist()
        again = run_length.decode(run_length.frPyObjects([polygon], HEIGHT, WIDTH))[..., 0]
        assert overlap(again.astype(bool), mask) > 0.93
    index = write_yolo_index(tmp_path, ["snow", "bear: brown"], {"train": Path("a/pictures")})
    assert yaml.safe_load(index.read_text()) == {
        "path": ".",
        "train": "images/train",
        "names": {0: "snow", 1: "bear: brown"},
    }


def test_an_image_without_masks_is_a_background_to_yolo(tmp_path: Path) -> None:
    file = write_yolo_image(tmp_path, "train", AnnotatedImage("1.png", 4, 5, ()))
    assert file.read_text() == ""


def test_labelme(image: AnnotatedImage, tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / image.file_name
    file = write_labelme_image(tmp_path / "out", "train", image, picture)
    assert file == tmp_path / "out" / "train" / "Straße 1" / "07 Bär.photo.json"
    content = json.loads(file.read_text())
    assert (file.parent / content["imagePath"]).resolve() == picture.resolve()
    assert (content["imageHeight"], content["imageWidth"]) == (HEIGHT, WIDTH)
    assert content["imageData"] is None
    kinds = [(s["label"], s["shape_type"], s["group_id"]) for s in content["shapes"]]
    assert kinds == [
        ("bear", "polygon", None),
        ("snow", "polygon", 8),
        ("snow", "polygon", 8),
        ("bear", "rectangle", None),
    ]
    assert content["shapes"][3]["points"] == [[1, 2], [3, 4]]
    assert all(len(s["points"]) >= 3 for s in content["shapes"][:3])


def test_pictures(image: AnnotatedImage, tmp_path: Path) -> None:
    files = write_instance_pngs(tmp_path, "val", image)
    place = tmp_path / "val" / "Straße 1" / "07 Bär.photo"
    assert files == [place / "7.png", place / "8.png"]
    for file, mask in zip(files, (WHOLE, PARTS), strict=True):
        assert np.array_equal(np.asarray(Image.open(file)) > 0, mask)


def test_an_object_without_a_mask_has_none_to_give(image: AnnotatedImage) -> None:
    with pytest.raises(ValueError, match="annotation 9 has no mask"):
        image.objects[2].dense()
