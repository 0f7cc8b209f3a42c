"""COCO, VOC and a user's own folder through the command line: prepare, check, train, evaluate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from boxseg.data.dataset import Dataset
from tests.experiments.command_line import boxseg, result, train, trained


@pytest.fixture
def coco_download(coco_root: Path) -> Path:
    """The folder of scenes under the names that COCO 2017 has."""
    for name in ("train", "val"):
        (coco_root / name).rename(coco_root / f"{name}2017")
        annotations = coco_root / "annotations" / f"instances_{name}.json"
        annotations.rename(annotations.with_name(f"instances_{name}2017.json"))
    return coco_root


def test_coco_is_prepared_with_or_without_strictness(coco_download: Path, tmp_path: Path) -> None:
    words = ("data", "prepare", "coco", "--root", coco_download)
    outcome = boxseg(*words)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("train2017: images 8, annotations ")
    assert "note: val2017 is a part of COCO 2017 as published" in outcome.out
    assert (coco_download / "annotations" / "boxes_train2017.json").is_file()
    assert boxseg(*words, "--strict").complaint == "coco is not as published in 3 ways."
    assert boxseg(*words, "--out", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "boxes_train2017.json").is_file()


def test_training_on_an_id_list(coco_download: Path, tmp_path: Path) -> None:
    """By flag or by key; the box-only JSON gives the very same losses."""
    ids = tmp_path / "three ids.txt"
    ids.write_text("1\n2\n5\n")
    words = ("method=boxinst", "dataset=coco", f"root={coco_download}", "num_classes=8")
    by_flag, by_key = tmp_path / "flag", tmp_path / "key"
    outcome = train(by_flag, *words, "dataset.num_classes=8", "--ids", ids)
    assert outcome.code == 0, outcome.err
    assert "instances_train2017.json: 3 images," in outcome.err
    assert boxseg("data", "prepare", "coco", "--root", coco_download, "--ids", ids).code == 0
    outcome = train(by_key, *words, "dataset.num_classes=8", f"ids='{ids}'")
    assert "boxes_train2017.json: 3 images," in outcome.err
    assert result(by_flag)["metrics"] == result(by_key)["metrics"]


def test_id_lists_that_do_not_fit(coco_root: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("1\n99\n")
    words = ("dataset=coco-folder", f"root={coco_root}", f"ids={ids}")
    assert "image 99 of the id list is not in" in train(tmp_path / "run", *words).complaint
    for command in (
        ("train", "dataset=scenes", f"ids={ids}"),
        ("data", "check", "scenes", "--ids", ids),
    ):
        assert "ids" in boxseg(*command).complaint
    outcome = boxseg("data", "check", "coco-folder", "--root", coco_root, "--ids", ids, "--strict")
    assert outcome.complaint == "1 defects in coco-folder."
    assert "unknown id: image 99 of the id list is not among the sound images" in outcome.out


def test_evaluation_does_without_the_training_split(coco_root: Path, tmp_path: Path) -> None:
    words = ("method=boxinst", "dataset=coco-folder", f"root={coco_root}")
    run_dir = trained(tmp_path / "run", *words, "images.iterations_1x=24")
    before = boxseg("evaluate", run_dir)
    assert before.code == 0, before.err
    shutil.rmtree(coco_root / "train")
    assert boxseg("evaluate", run_dir).out == before.out
    (coco_root / "annotations" / "instances_train.json").unlink()
    assert boxseg("evaluate", run_dir).out == before.out


def test_strictness_names_the_kind_the_place_and_the_remedy(coco_root: Path) -> None:
    file = coco_root / "annotations" / "instances_train.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["category_id"] = 77
    content["annotations"][1]["segmentation"] = [[1, 2, 3, 4]]
    content["categories"][2]["name"] = "\x1b[2J\n"
    file.write_text(json.dumps(content))
    outcome = boxseg("data", "check", "coco-folder", "--root", coco_root, "--strict")
    assert outcome.complaint == "3 defects in coco-folder."
    lines = outcome.out.splitlines()
    assert (
        "  unknown category: annotation 1 refers to category 77, which `categories` does not "
        "list; list the category or remove the annotation."
    ) in lines
    assert any(line.startswith("  invalid polygon: the segmentation of annot") for line in lines)
    assert any(line.startswith("other categories: split val has other cat") for line in lines)
    assert "\x1b" not in outcome.out


def test_voc_from_download_to_training(test_data_dir: Path, tmp_path: Path) -> None:
    """From a folder that is only read."""
    root, built = test_data_dir / "voc-tiny", tmp_path / "built"
    words = ("method=boxinst", "dataset=voc", f"root={root}", "dataset.train=val")
    words = (*words, f"dataset.prepared={built}")
    assert "run `boxseg data prepare voc --root" in train(tmp_path / "run", *words).complaint
    outcome = boxseg("data", "prepare", "voc", "--root", root, "--out", built)
    assert outcome.code == 0, outcome.err
    assert "val: images 3, annotations 9; written to" in outcome.out
    outcome = boxseg("data", "check", "voc", "--root", root, "--out", built, "--strict")
    assert (outcome.code, outcome.out) == (
        0,
        "val: images 3, annotations 9 (crowd 0), categories 3 of 20 used, defects 0.\n",
    )
    run_dir = trained(tmp_path / "run", *words)
    assert result(run_dir)["metrics"]["segm/AP"] is not None


def test_other_folders_are_no_download(tmp_path: Path, scenes: Dataset) -> None:
    for name, said in (("coco", "holds no COCO 2017"), ("voc", "holds neither VOCdevkit/VOC2012")):
        for words in (("prepare",), ("check",)):
            complaint = boxseg("data", *words, name, "--root", tmp_path).complaint
            assert said in complaint or "is not a folder; give root=DIR" in complaint
