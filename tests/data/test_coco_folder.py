"""Finding the splits of a folder in COCO's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from boxseg.data.coco_folder import coco_folder
from boxseg.errors import InputError


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


def test_a_split_that_is_not_used_need_not_be_there(tmp_path: Path) -> None:
    """A published checkpoint is evaluated without the split it was trained on."""
    dataset = coco_folder(make_folder(tmp_path, "val"), train="train")
    assert dataset.split(dataset.evaluate).name == "val"
    with pytest.raises(InputError, match="no split 'train'; choose one of val"):
        dataset.split(dataset.train)


def test_an_id_list_comes_with_the_dataset(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data", "train")
    (tmp_path / "ids.txt").write_text("4\n2\n")
    assert coco_folder(root).train_ids is None
    assert coco_folder(root, ids=tmp_path / "ids.txt").train_ids == {2, 4}


def test_the_home_folder_may_be_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "birds", "train")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert coco_folder("~/birds").split("train").images == tmp_path / "birds" / "train"


@pytest.mark.parametrize(
    ("splits", "train", "evaluate"),
    [
        (["train_a", "train_b"], None, None),
        (["a", "b"], None, None),
        (["train", "val1", "val2"], "train", None),
        (["train_a", "train_b", "val"], None, "val"),
    ],
)
def test_what_cannot_be_chosen_is_left_to_the_user(
    tmp_path: Path, splits: list[str], train: str | None, evaluate: str | None
) -> None:
    dataset = coco_folder(make_folder(tmp_path, *splits))
    assert (dataset.train, dataset.evaluate) == (train, evaluate)
    for name in (dataset.train, dataset.evaluate):
        if name is None:
            listed = ", ".join(sorted(splits))
            with pytest.raises(InputError, match=rf"\({listed}\); choose with dataset.train=NAME"):
                dataset.split(name)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give root=DIR"):
        coco_folder(None)
    with pytest.raises(InputError, match="absent is not a folder"):
        coco_folder(tmp_path / "absent")
    with pytest.raises(InputError, match="annotations is not a folder"):
        coco_folder(tmp_path)
    (tmp_path / "annotations").mkdir()
    with pytest.raises(InputError, match=r"holds no instances_<split>\.json"):
        coco_folder(tmp_path)


def test_real_folders(test_data_dir: Path) -> None:
    assert coco_folder(test_data_dir / "coco128").evaluate == "train2017"
    tiny = coco_folder(test_data_dir / "coco-tiny")
    assert (tiny.train, tiny.evaluate) == ("train2017", "val2017")
