"""Files count by what they are: moved, renamed or linked ones change no run, changed ones do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from experiments.configuration.compose import compose, quoted
from experiments.configuration.contents import IDS, TRAINED, WEIGHTS, Contents
from experiments.configuration.run_configuration import RunConfiguration


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Annotations of two splits; nobody looks into them, or for images."""
    folder = tmp_path / "data"
    for split in ("train2017", "val2017"):
        (folder / "annotations").mkdir(parents=True, exist_ok=True)
        file = folder / "annotations" / f"instances_{split}.json"
        file.write_text(json.dumps({"annotations": [{"bbox": [1, 2, 3, 4]}], "of": split}))
    return folder


def config(root: Path, *words: str, scale: str = "smoke") -> RunConfiguration:
    return compose(["dataset=coco", f"scale={scale}", f"root={quoted(root)}", *words])


def test_where_data_lie_does_not_count(root: Path, tmp_path: Path) -> None:
    before = config(root).sha256
    link = tmp_path / "link"
    link.symlink_to(root)
    assert config(link).sha256 == before
    moved = root.rename(tmp_path / "elsewhere")
    assert config(moved).sha256 == before
    copied = Path(shutil.copytree(moved, tmp_path / "copy"))
    assert config(copied).sha256 == before
    assert config(copied, "dataset.prepared=other").sha256 == before


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_one_changed_box_counts(root: Path, split: str) -> None:
    before, recorded = config(root).sha256, config(root).contents.digests
    file = root / "annotations" / f"instances_{split}.json"
    file.write_text(file.read_text().replace("[1, 2, 3, 4]", "[1, 2, 3, 5]"))
    after = config(root)
    assert after.sha256 != before
    assert len(after.contents.changed_since(recorded)) == 1


def test_an_id_list_counts_by_its_ids(root: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("1\n2\n")
    second.write_text("# the same\n2\n1\n")
    hashes = {config(root, f"ids={quoted(file)}").sha256 for file in (first, second)}
    assert len(hashes) == 1
    assert config(root).sha256 not in hashes
    second.write_text("1\n3\n")
    assert config(root, f"ids={quoted(second)}").sha256 not in hashes


def test_weights_count_by_what_they_are(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = tmp_path / "weights" / "MSRA-R-50.pt"
    usual.parent.mkdir()
    usual.write_bytes(b"weights")
    monkeypatch.setenv("BOXSEG_WEIGHTS", str(usual.parent))
    before = config(root, scale="paper").sha256
    renamed = usual.rename(tmp_path / "backbone.pt")
    named = config(root, f"initial_weights={quoted(renamed)}", scale="paper")
    assert named.sha256 == before
    assert named.contents.known
    usual.write_bytes(b"others!")
    assert config(root, scale="paper").sha256 != before


def test_what_is_not_there_is_not_known(root: Path, tmp_path: Path) -> None:
    assert config(root).contents.known
    gone = config(tmp_path / "gone", scale="paper").contents
    assert gone.digests == dict.fromkeys(gone.digests)
    assert {TRAINED, WEIGHTS} <= gone.digests.keys()
    assert gone.changed_since({TRAINED: "abc", WEIGHTS: "def"}) == []


@pytest.mark.parametrize("dataset", ["scenes", "scenes-b"])
def test_generated_data_follow_from_the_configuration(dataset: str) -> None:
    found = compose([f"dataset={dataset}", "scale=mini"])
    assert found.contents == Contents({})
    other = compose([f"dataset={dataset}", "scale=mini", "data_dir=elsewhere"])
    assert other.sha256 == found.sha256


def test_hashes_of_scenes_have_not_changed() -> None:
    """Finished runs of earlier versions stay finished."""
    assert compose(["scale=mini", "method=boxseg"]).sha256 == BEFORE


BEFORE = "98d635baefcf8b88c688eac5536d79167bacb54efdddab4f4f65ee31e248df0e"


@pytest.mark.parametrize(
    ("recorded", "now", "changed"),
    [
        ({TRAINED: "a", IDS: "b"}, {TRAINED: "a", IDS: "c"}, [IDS]),
        ({TRAINED: "a"}, {TRAINED: None}, []),
        ({TRAINED: None}, {TRAINED: "a"}, []),
        ({}, {TRAINED: "a"}, []),
        ({TRAINED: "a", WEIGHTS: "b"}, {TRAINED: "x", WEIGHTS: "y"}, [TRAINED, WEIGHTS]),
    ],
)
def test_only_what_is_known_of_both_has_changed(
    recorded: dict[str, Any], now: dict[str, Any], changed: list[str]
) -> None:
    assert Contents(now).changed_since(recorded) == changed
