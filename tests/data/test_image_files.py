"""From the words of a command line to image files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boxseg.data.image_files import find_images
from boxseg.errors import InputError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files by name only; nothing is decoded here."""
    for name in ("b.JPG", "a.png", "notes.txt", "raw", "below/a.png", "below/deeper/c.TiF"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


OUT = Path("out")


def names(*words: str, out: Path = OUT) -> list[str]:
    return [str(file) for file in find_images(words, out).files]


def test_a_folder_is_searched_to_its_depth_and_suffixes_have_no_case(folder: Path) -> None:
    found = find_images(["photos"], OUT)
    assert [str(file) for file in found.files] == [
        "photos/a.png",
        "photos/b.JPG",
        "photos/below/a.png",
        "photos/below/deeper/c.TiF",
    ]
    assert found.left_out == {"no image by the suffix .txt": 1, "without suffix": 1}


def test_what_nobody_put_into_a_folder_is_left_out_of_it(folder: Path) -> None:
    for name in ("._a.png", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/x/._a.png"):
        file = folder / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    found = find_images(["photos"], OUT)
    assert len(found.files) == 4
    assert found.left_out["hidden"] == 3
    # Whoever names such a file, or starts in such a folder, means it.
    assert names("photos/._a.png") == ["photos/._a.png"]
    assert names("photos/.ipynb_checkpoints") == ["photos/.ipynb_checkpoints/a-checkpoint.png"]


def test_what_is_named_is_taken_whatever_its_suffix(folder: Path) -> None:
    assert names("photos/raw", "photos/notes.txt") == ["photos/raw", "photos/notes.txt"]


def test_patterns(folder: Path) -> None:
    assert names("photos/*.png") == ["photos/a.png"]
    assert names("photos/**/*.png") == ["photos/a.png", "photos/below/a.png"]


def test_a_name_that_looks_like_a_pattern_is_a_name_if_it_exists(folder: Path) -> None:
    (folder / "photos" / "a[1].png").touch()
    (folder / "photos" / "a1.png").touch()
    assert names("photos/a[1].png") == ["photos/a[1].png"]


def test_each_file_is_taken_once(folder: Path) -> None:
    assert names("photos/b.JPG", "photos/below", str(folder / "photos" / "b.JPG"), "photos") == [
        "photos/b.JPG",
        "photos/below/a.png",
        "photos/below/deeper/c.TiF",
        "photos/a.png",
    ]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("photos/gone.png", "there is no file or folder photos/gone.png"),
        ("photos/*.gif", r"nothing matches the pattern photos/\*.gif"),
        ("empty", "empty holds no image, that is, no file whose suffix is one of .apng"),
    ],
)
def test_words_that_mean_no_image(folder: Path, word: str, said: str) -> None:
    (folder / "empty").mkdir()
    (folder / "empty" / "read.me").touch()
    with pytest.raises(InputError, match=said):
        names("photos/a.png", word)


def test_results_are_not_taken_for_images(folder: Path) -> None:
    out = folder / "photos" / "out"
    out.mkdir()
    (out / "a.png").touch()
    (out / "images").mkdir()
    (out / "images" / "d.png").touch()
    found = find_images(["photos"], out)
    assert "photos/out/images/d.png" in map(str, found.files)
    assert "photos/out/a.png" not in map(str, found.files)
    assert found.left_out[f"in the folder of the results, {out}"] == 1


@pytest.mark.parametrize("word", ["photos", "photos/a.png", "photos/*.png", "photos/below/.."])
def test_images_in_the_folder_of_the_results_are_refused(folder: Path, word: str) -> None:
    with pytest.raises(InputError, match=r"is in the folder of the results.*another --out"):
        names(word, out=Path("photos/./"))


def test_a_folder_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: str) -> None:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="cannot read the folder photos: Permission denied"):
        names("photos")
