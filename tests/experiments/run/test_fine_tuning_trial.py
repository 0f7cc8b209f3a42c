"""The trial of fine-tuning, at smoke scale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boxseg.data.id_list import read_id_list
from experiments.configuration.compose import quoted
from tools.fine_tuning_trial import NAMES, text_of, trial, write_halves


def words(root: Path) -> list[str]:
    return ["dataset=coco-folder", "scale=smoke", f"root={quoted(root)}"]


def test_halves_share_no_image_and_are_drawn_by_the_seed(coco_root: Path, tmp_path: Path) -> None:
    first, second = map(read_id_list, write_halves(words(coco_root), tmp_path, 0))
    assert len(first) == len(second) == 4
    assert not first & second
    again, _ = map(read_id_list, write_halves(words(coco_root), tmp_path / "again", 0))
    other, _ = map(read_id_list, write_halves(words(coco_root), tmp_path / "other", 1))
    assert again == first != other


@pytest.mark.slow
def test_three_runs_of_a_seed(coco_root: Path, tmp_path: Path) -> None:
    longer = ["images.iterations_1x=6"]
    found = trial(words(coco_root), tmp_path, 0, longer)
    lines = text_of([found]).splitlines()
    assert [line[8:].split("  ")[0] for line in lines[1:]] == [*NAMES, "gain"]
    started = tmp_path / "from-the-first-half" / "seed0" / "started_from.json"
    assert started.exists()
    assert not (tmp_path / "from-ImageNet" / "seed0" / "started_from.json").exists()
    lengths = [
        json.loads((tmp_path / name / "seed0" / "result.json").read_text())["iterations"]
        for name in ("first-half", "from-ImageNet", "from-the-first-half")
    ]
    assert lengths == [6, 4, 4]
    assert trial(words(coco_root), tmp_path, 0, longer) == found  # nothing is trained again
