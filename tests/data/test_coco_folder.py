"""Finding the splits of a folder in COCO's layout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boxseg.data.coco_folder import coco_folder, missing_images
from boxseg.data.coco_json import ImageEntry
from boxseg.errors import InputError

DATA = Path(os.environ.get("BOXSEG_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def make_folder(root: Path, *splits: str) -> Path:
    (root / "annotations").mkdir(parents=True)
    for split in splits:
        (root / "annotations" / f"instances_{split}.json").write_text("{}")
        (root / split).mkdir()
    return root


@pytest.mark.parametrize(
    ("splits", "train", "evaluate"),
    [
        (["train2017"], "train2017", "train2017"),
        (["birds"], "birds", "birds"),
        (["test", "train", "val"], "train", "val"),
        (["train2017", "val2017"], "train2017", "val2017"),
        (["train", "test"], "train", "train"),
    ],
)
def test_default_splits(tmp_path: Path, splits: list[str], train: str, evaluate: str) -> None:
    dataset = coco_folder(make_folder(tmp_path, *splits))
    assert (dataset.train, dataset.evaluate) == (train, evaluate)
    assert sorted(dataset.splits) == sorted(splits)
    split = dataset.split(train)
    assert split.annotations == tmp_path / "annotations" / f"instances_{train}.json"
    assert split.images == tmp_path / train


def test_named_splits_decide(tmp_path: Path) -> None:
    root = make_folder(tmp_path, "train_a", "train_b", "val_a", "val_b")
    dataset = coco_folder(root, train="train_b", evaluate="val_a")
    assert (dataset.train, dataset.evaluate) == ("train_b", "val_a")
    (root / "train_a").rmdir()  # not in use, so not needed
    coco_folder(root, train="train_b", evaluate="val_a")


def test_the_home_folder_may_be_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "birds", "train")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert coco_folder("~/birds").split("train").images == tmp_path / "birds" / "train"


@pytest.mark.parametrize(
    ("splits", "arguments", "said"),
    [
        (["train_a", "train_b"], {}, r"dataset\.train may mean \(train_a, train_b\)"),
        (["a", "b"], {}, r"dataset\.train may mean \(a, b\)"),
        (["train", "val1", "val2"], {}, r"dataset\.evaluate may mean \(val1, val2\)"),
        (["train", "val"], {"train": "trian"}, "no split 'trian'; choose one of train, val"),
        (["train", "val"], {"evaluate": "test"}, "no split 'test'"),
        ([], {}, "holds no instances_<split>.json"),
    ],
)
def test_what_cannot_be_chosen_is_said(
    tmp_path: Path, splits: list[str], arguments: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        coco_folder(make_folder(tmp_path, *splits), **arguments)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give root=DIR"):
        coco_folder(None)
    with pytest.raises(InputError, match="absent is not a folder"):
        coco_folder(tmp_path / "absent")
    with pytest.raises(InputError, match="annotations is not a folder"):
        coco_folder(tmp_path)
    root = make_folder(tmp_path, "train", "val")
    (root / "val").rmdir()
    with pytest.raises(InputError, match=r"no image folder .*val; .* dataset\.evaluate=NAME"):
        coco_folder(root)


def test_missing_images_looks_into_sub_folders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").touch()
    (tmp_path / "sub" / "b.png").touch()
    names = ["a.png", "b.png", "sub/b.png", "sub/a.png", "A.png"]
    images = [ImageEntry(index, name, 1, 1) for index, name in enumerate(names)]
    # Only a.png and sub/b.png exist.
    assert [image.file_name for image in missing_images(images, tmp_path)] == [
        "b.png",
        "sub/a.png",
        "A.png",
    ]
    with pytest.raises(InputError, match=r"image folder .*absent"):
        missing_images(images, tmp_path / "absent")


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data in {DATA}")
def test_real_folders() -> None:
    assert coco_folder(DATA / "coco128").evaluate == "train2017"
    tiny = coco_folder(DATA / "coco-tiny")
    assert (tiny.train, tiny.evaluate) == ("train2017", "val2017")
