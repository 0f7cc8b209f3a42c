"""A finished table stays finished wherever its data lie, until they are other data."""

from __future__ import annotations

import json
import re
from pathlib import Path

from experiments.configuration.compose import quoted
from tests.experiments.command_line import Outcome, boxseg

# The scenes' eight classes under the name of the photographs, which a smoke run can learn of.
WORDS = ("--scale", "smoke", "--rows", "baseline")


def reproduce(tmp_path: Path, root: Path) -> Outcome:
    own = ("--runs", tmp_path / "runs", "--out", tmp_path / "out", "dataset.num_classes=8")
    return boxseg("reproduce", "coco-photos", *WORDS, *own, f"root={quoted(root)}")


def state(tmp_path: Path) -> str:
    outcome = boxseg("status", "coco-photos", "--scale", "smoke", "--runs", tmp_path / "runs")
    # What is known of it goes on in lines that are set in.
    found = re.search(r"^baseline +1x +0 +(.+(?:\n    .+)*)$", outcome.out, re.MULTILINE)
    assert found, outcome.out
    return re.sub(r"\n +", " ", found[1])


def shown(tmp_path: Path) -> str:
    own = ("--runs", tmp_path / "runs", "--out", tmp_path / "out")
    outcome = boxseg("report", "coco-photos", "--scale", "smoke", *own)
    assert outcome.code == 0, outcome.err
    return " ".join(outcome.out.split())


def test_moved_and_changed_data(tmp_path: Path, coco_root: Path) -> None:
    first = reproduce(tmp_path, coco_root)
    assert first.code == 0, first.err
    result = (
        tmp_path / "runs" / "smoke" / "coco-photos" / "baseline" / "1x" / "seed0" / "result.json"
    )
    made = result.stat().st_mtime_ns
    assert state(tmp_path).startswith("done")

    moved = coco_root.rename(tmp_path / "moved")
    link = tmp_path / "link"
    link.symlink_to(moved)
    assert state(tmp_path).startswith("done")
    for place in (moved, link):
        outcome = reproduce(tmp_path, place)
        assert outcome.code == 0, outcome.err
        assert result.stat().st_mtime_ns == made

    moved.rename(coco_root)
    assert "outdated" not in shown(tmp_path)
    annotations = coco_root / "annotations" / "instances_train.json"
    content = json.loads(annotations.read_text())
    content["annotations"][0]["bbox"][2] -= 1
    annotations.write_text(json.dumps(content))
    assert state(tmp_path).startswith("outdated  made with other annotations trained on than today")
    assert "seed0/result.json: outdated" in shown(tmp_path)
    outcome = reproduce(tmp_path, coco_root)
    assert outcome.code == 0, outcome.err
    assert "was made with other annotations trained on; moved to" in outcome.err
    assert result.stat().st_mtime_ns != made
    assert state(tmp_path).startswith("done")
