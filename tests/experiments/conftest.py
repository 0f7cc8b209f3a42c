"""Runs at smoke scale that several tests look at; each is made once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from boxseg.data.dataset import Dataset
from experiments.run.dataset_by_name import dataset_on_disk
from tests.experiments.command_line import trained
from tests.experiments.slurm_commands import Commands

# Long enough for an untrained detector to find something, so that equal predictions mean it.
LONG = ("method=boxinst", "images.iterations_1x=24")

# Thresholds that the proposals of an untrained detector pass.
WILLING = (
    "method=boxseg",
    "segmenter.detector.score_threshold=0.001",
    "pseudo_labels.fusion.score_threshold=0",
)


@pytest.fixture(scope="session", autouse=True)
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where generated data are kept while the tests run."""
    folder = tmp_path_factory.mktemp("datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOXSEG_DATA", str(folder))
        yield folder


@pytest.fixture(scope="session")
def scenes(data_dir: Path) -> Dataset:
    """The smoke scale's scenes."""
    return dataset_on_disk("scenes", None, "smoke")


@pytest.fixture(scope="session")
def finished(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of BoxInst, never interrupted."""
    return trained(tmp_path_factory.mktemp("runs") / "finished", *LONG)


@pytest.fixture(scope="session")
def condinst(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of mask-supervised CondInst."""
    return trained(tmp_path_factory.mktemp("runs") / "condinst", "method=condinst")


@pytest.fixture(scope="session")
def teacher(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of BoxSeg, whose teacher proposes something and believes it."""
    return trained(tmp_path_factory.mktemp("runs") / "boxseg", "seed=1", *WILLING)


@pytest.fixture
def coco_root(scenes: Dataset, tmp_path: Path) -> Path:
    """A folder in COCO's layout: eight scenes to train on and four to evaluate."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    for name, count in (("train", 8), ("val", 4)):
        split = scenes.split(name)
        content = json.loads(split.annotations.read_text())
        content["images"] = content["images"][:count]
        kept = {image["id"] for image in content["images"]}
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
        (root / "annotations" / f"instances_{name}.json").write_text(json.dumps(content))
        (root / name).mkdir()
        for image in content["images"]:
            shutil.copy(split.images / image["file_name"], root / name)
    return root


@pytest.fixture
def slurm_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Stand-ins for Slurm's commands; all of them fail until told what to say."""
    return Commands(tmp_path / "slurm-commands", monkeypatch)
