"""Lists of image ids, and the committed ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boxseg.data.id_list import read_id_list
from boxseg.errors import InputError

COMMITTED = Path(__file__).parents[2] / "experiments" / "conf" / "dataset" / "ids"


def test_comments_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("# a few\n9\n\n  000000000025  # with zeros, as files are named\n-3\n")
    assert read_id_list(file) == {9, 25, -3}


def test_a_byte_order_mark_is_no_part_of_the_first_id(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("7\r\n8\r\n", encoding="utf-8-sig")
    assert read_id_list(file) == {7, 8}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lists no image"),
        (b"# nothing\n", "lists no image"),
        (b"1\n2\n1\n", "has image 1 on lines 1 and 3; remove"),
        (b"7\n007\n", "has image 7 on lines 1 and 2"),
        (b"1\n2008_000002\n", "line 2 of .* is '2008_000002', no image id; write one"),
        (b"1 2\n", "line 1 of .* is '1 2'"),
        (b"1.0\n", "line 1"),
        (b"9" * 30 + b"\n", "line 1"),
        (b"\xff\xfe1\n", "is not UTF-8 text"),
    ],
)
def test_what_is_no_list(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_id_list(file)


def test_a_missing_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the id list .*absent.txt: No such file"):
        read_id_list(tmp_path / "absent.txt")


@pytest.mark.parametrize(
    ("name", "annotations"),
    [
        ("coco128", "coco128/annotations/instances_train2017.json"),
        ("coco-tiny-train2017", "coco-tiny/annotations/instances_train2017.json"),
        ("coco-tiny-val2017", "coco-tiny/annotations/instances_val2017.json"),
        ("coco-photos-train", "coco-photos/annotations/instances_train.json"),
        ("coco-photos-val", "coco-photos/annotations/instances_val.json"),
    ],
)
def test_committed_lists_are_those_of_the_samples(
    test_data_dir: Path, name: str, annotations: str
) -> None:
    document = json.loads((test_data_dir / annotations).read_text())
    assert read_id_list(COMMITTED / f"{name}.txt") == {image["id"] for image in document["images"]}
