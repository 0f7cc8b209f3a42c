"""Reading COCO's JSON: what is accepted, and the sentence for each structural defect."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from boxseg.data.coco_json import Category, ImageEntry, parse_coco, read_coco_json
from boxseg.errors import InputError

DOCUMENT: dict[str, Any] = {
    "images": [
        {"id": 9, "file_name": "b.png", "width": 40, "height": 30},
        {"id": 4, "file_name": "sub/a.png", "width": 20, "height": 10},
    ],
    "categories": [{"id": 7, "name": "ring"}, {"id": 3, "name": "bar"}],
    "annotations": [
        {"id": 17, "image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4.5]},
        {"id": 5, "image_id": 4, "category_id": 7, "bbox": [0, 0, 2, 2], "iscrowd": 1},
    ],
}


def changed(list_name: str, index: int, **fields: Any) -> dict[str, Any]:
    """The document with fields of one entry set, or removed where the value is `...`."""
    document = copy.deepcopy(DOCUMENT)
    entry = document[list_name][index]
    entry.update(fields)
    for name in [name for name, value in fields.items() if value is ...]:
        del entry[name]
    return document


def write(folder: Path, document: Any) -> Path:
    path = folder / "instances_train.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_reads_a_box_only_file_sorted_by_id(tmp_path: Path) -> None:
    content = read_coco_json(write(tmp_path, DOCUMENT))
    assert content.categories == (Category(3, "bar"), Category(7, "ring"))
    assert list(content.images.items()) == [
        (4, ImageEntry(4, "sub/a.png", 20, 10)),
        (9, ImageEntry(9, "b.png", 40, 30)),
    ]
    assert content.annotations == DOCUMENT["annotations"]


@pytest.mark.parametrize(
    ("document", "parts"),
    [
        ("{'images': []", ["not valid JSON", "line 1"]),
        ([1, 2], ["top level", "list instead of an object"]),
        ({**DOCUMENT, "images": {}}, ["`images`", "not a list"]),
        ({k: v for k, v in DOCUMENT.items() if k != "annotations"}, ["`annotations`", "missing"]),
        ({**DOCUMENT, "categories": [3]}, ["categories[0]", "is not an object"]),
        (changed("images", 0, width=...), ["image 9", "has no `width`", "give it its width"]),
        (changed("images", 0, width=0), ["image 9", "`width` 0", "from 1 to 65535"]),
        (changed("images", 0, height="30"), ["image 9", "`height` '30'"]),
        (changed("images", 0, height=True), ["image 9", "`height` True"]),
        (changed("images", 1, file_name=""), ["image 4", "`file_name` ''"]),
        (changed("images", 1, id="4"), ["images[1]", "`id` '4'", "a whole number"]),
        (changed("images", 1, id=9), ["images[1]", "repeats id 9", "an id of its own"]),
        (changed("categories", 1, id=7), ["categories[1]", "repeats id 7"]),
        (changed("categories", 0, name=None), ["category 7", "`name` None"]),
        (changed("annotations", 1, id=17), ["annotations[1]", "repeats id 17"]),
        (changed("annotations", 0, id=...), ["annotations[0]", "has no `id`"]),
        (changed("annotations", 0, bbox=...), ["annotation 17", "has no `bbox`"]),
        (changed("annotations", 0, bbox=[1, 2, 3]), ["annotation 17", "`bbox` [1, 2, 3]", "four"]),
        (changed("annotations", 0, bbox=[1, 2, 3, "4"]), ["annotation 17", "finite numbers"]),
        (changed("annotations", 0, bbox=[1, 2, 3, float("inf")]), ["annotation 17", "inf"]),
        (changed("annotations", 0, bbox=[1, 2, 3, 10**400]), ["annotation 17", "`bbox`"]),
        (changed("annotations", 0, iscrowd="no"), ["annotation 17", "`iscrowd` 'no'", "0 or 1"]),
        (
            changed("annotations", 0, image_id=8),
            ["annotation 17", "refers to image 8, which `images` does not list", "remove"],
        ),
        (
            changed("annotations", 0, category_id=1),
            ["annotation 17", "refers to category 1, which `categories` does not list"],
        ),
    ],
)
def test_each_defect_is_one_sentence_with_place_and_remedy(
    tmp_path: Path, document: Any, parts: list[str]
) -> None:
    path = write(tmp_path, document)
    with pytest.raises(InputError) as caught:
        read_coco_json(path)
    message = str(caught.value)
    assert str(path) in message
    assert "; " in message  # the remedy follows
    assert message.endswith(".")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.json does not exist"):
        read_coco_json(tmp_path / "absent.json")


def test_parsing_keeps_the_sound_entries_and_every_defect() -> None:
    document = changed("images", 0, width=None)
    document["annotations"] += [
        {"id": 18, "image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1]},
        {"id": 19, "image_id": 4, "category_id": 3, "bbox": [0, 0, 1, 1]},
        "x",
    ]
    content, defects = parse_coco(document)
    assert list(content.images) == [4]
    assert [annotation["id"] for annotation in content.annotations] == [5, 19]
    # Annotation 17 stands on image 9, whose width is the defect: it gets none of its own.
    assert [(defect.kind, defect.where) for defect in defects] == [
        ("ill-typed field", "image 9"),
        ("not an object", "annotations[4]"),
        ("unknown image", "annotation 18"),
        ("unknown category", "annotation 18"),
    ]
