"""Files that are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boxseg.errors import InputError
from boxseg.files import atomic_path, read_json, write_json_atomically, write_text_atomically


def test_writing_makes_the_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "a.txt"
    write_text_atomically(target, "grün\n")
    assert target.read_bytes() == "grün\n".encode()
    write_text_atomically(target, "again")
    assert target.read_text() == "again"
    assert [file.name for file in target.parent.iterdir()] == ["a.txt"]


def test_a_failure_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        assert target.read_text() == "old"
        _ = 1 / 0
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("folder", ["file/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / folder / "a.txt"
    with pytest.raises(InputError, match=r"^cannot write .*a\.txt: .+; free the disk or choose"):
        write_text_atomically(target, "x")


def test_a_folder_in_the_file_s_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        write_text_atomically(tmp_path / "a.txt", "x")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_json_round_trip_keeps_the_order_of_keys(tmp_path: Path) -> None:
    value = {"z": [1, 2.5, None, True], "a": {"text": "ü"}}
    write_json_atomically(tmp_path / "a.json", value)
    read = read_json(tmp_path / "a.json")
    assert read == value
    assert list(read) == ["z", "a"]


def test_json_after_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"ü": 1}', encoding="utf-8-sig")
    assert read_json(tmp_path / "a.json") == {"ü": 1}


@pytest.mark.parametrize("letter", ["a", "ж", "漢", "\udc80"])
@pytest.mark.parametrize("size", [200, 251, 255])
def test_names_as_long_as_they_can_be(tmp_path: Path, letter: str, size: int) -> None:
    name = letter * (size // len(os.fsencode(letter)))
    write_text_atomically(tmp_path / name, "x")
    assert (tmp_path / name).read_text() == "x"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json_atomically(tmp_path / "a.json", {"a": value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1,\n "b": }', r"is not valid JSON: .* at line 2, column 7"),
        (b"", r"is not valid JSON"),
        (b'{"a": "\xff"}', r"is not UTF-8 text"),
        (b"[" * 100_000, r"is nested too deeply"),
        (b"1" * 5_000, r"a number of thousands of digits"),
    ],
    ids=["syntax", "empty", "latin 1", "deep", "long number"],
)
def test_malformed_json(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_json(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json does not exist"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        read_json(tmp_path)
