"""`boxseg annotate --learn`: masks by what all boxes have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from boxseg.cutouts import learning
from boxseg.cutouts.learning import CutoutLearning
from boxseg.data.dataset import Dataset
from experiments.checkpoints import learned_labeller
from tests.experiments.checkpoints.folders import boxes_of, contents
from tests.experiments.command_line import boxseg


def test_what_is_learnt_does_not_depend_on_interruptions_or_on_true_masks(
    scenes: Dataset, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned_labeller, "LEAST_ITERATIONS", 2)
    monkeypatch.setattr(learned_labeller, "ITERATIONS_BETWEEN_SAVES", 1)
    monkeypatch.setattr(learning, "BATCH", 4)

    def learnt(out: Path, *words: object) -> list[dict[str, Any]]:
        outcome = boxseg("annotate", folder, "--out", out, "--device", "cpu", "--learn", *words)
        assert outcome.code == 0, outcome.err
        return [one for one in boxes_of(out)["annotations"] if "quality" in one]

    before = contents(folder)
    whole = learnt(tmp_path / "whole")
    assert contents(folder) == before
    assert len(whole) > 10 and all(0 < one["quality"] < 1 for one in whole)
    assert learnt(tmp_path / "other", 1) != whole
    plain = boxseg("annotate", folder, "--out", tmp_path / "colours", "--device", "cpu")
    assert plain.code == 0
    assert [one for one in boxes_of(tmp_path / "colours")["annotations"] if "quality" in one] != (
        whole
    )
    # Interrupted after three steps.
    step = CutoutLearning.step

    def killed(learner: CutoutLearning) -> None:
        if learner.done == 3:
            raise KeyboardInterrupt
        step(learner)

    with monkeypatch.context() as patched:
        patched.setattr(CutoutLearning, "step", killed)
        words = ("--out", tmp_path / "cut", "--device", "cpu", "--learn")
        assert boxseg("annotate", folder, *words).code != 0
    assert torch.load(tmp_path / "cut/.parts/learned.pt", weights_only=True)["done"] == 3
    assert learnt(tmp_path / "cut") == whole
    # Nothing is learnt twice.
    with monkeypatch.context() as patched:
        patched.setattr(CutoutLearning, "step", None)
        assert learnt(tmp_path / "cut") == whole
    # The true masks of these boxes change nothing.
    content = boxes_of(folder)
    masks = json.loads(scenes.split("val").annotations.read_text())["annotations"]
    true = {one["id"]: one["segmentation"] for one in masks}
    for one in content["annotations"][2:]:
        one["segmentation"] = true[one["id"]]
    del content["annotations"][0]["segmentation"]  # `--measure` asks for this one too
    seen = json.dumps(content)
    (folder / "annotations" / "instances_all.json").write_text(seen)
    with_masks = learnt(tmp_path / "with", "--measure")
    for one in content["annotations"]:
        one.pop("segmentation", None)
    (folder / "annotations" / "instances_all.json").write_text(json.dumps(content))
    assert learnt(tmp_path / "without") == with_masks


def test_learning_is_refused_where_it_makes_no_sense(
    teacher: Path, folder: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out", "--device", "cpu")
    both = boxseg("annotate", folder, *out, "--checkpoint", teacher, "--learn")
    assert "--checkpoint gives one" in both.complaint
    assert "is no seed" in boxseg("annotate", folder, *out, "--learn", -1).complaint
    for image in (folder / "all").iterdir():
        image.write_bytes(b"")
    assert "nothing to learn from" in boxseg("annotate", folder, *out, "--learn").complaint
