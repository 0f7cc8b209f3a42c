"""`boxseg weights export`: the network that predicts, alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from boxseg.data.dataset import Dataset
from tests.experiments.command_line import boxseg, result, trained
from tests.method_steps import NEEDS_MMDET


@pytest.fixture(scope="module")
def run_dir(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of BoxSeg long enough to predict something."""
    words = ("method=boxseg", "images.iterations_1x=24")
    return trained(tmp_path_factory.mktemp("runs") / "boxseg", *words)


@pytest.fixture(scope="module")
def exported(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its network, at full precision."""
    target = tmp_path_factory.mktemp("exported") / "boxseg.pt"
    outcome = boxseg("weights", "export", run_dir, "--to", target)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == str(target)
    return target


def predictions(checkpoint: Path, out: Path) -> bytes:
    outcome = boxseg("evaluate", checkpoint, "--dataset", "scenes", "--out", out)
    assert outcome.code == 0, outcome.err
    (file,) = out.glob("predictions*.json")
    return file.read_bytes()


def test_it_predicts_the_same_from_a_fraction_of_the_file(
    run_dir: Path, exported: Path, tmp_path: Path
) -> None:
    assert predictions(exported, tmp_path) == (run_dir / "predictions.json").read_bytes()
    # Of student, teacher and two numbers for each weight of the optimiser one is left.
    assert exported.stat().st_size < 0.3 * (run_dir / "checkpoint.pt").stat().st_size


def test_in_half_precision_it_predicts_nearly_the_same(
    run_dir: Path, exported: Path, tmp_path: Path
) -> None:
    target = tmp_path / "half.pt"
    said = boxseg("weights", "export", run_dir, "--to", target, "--half").out
    assert "million parameters in half precision" in said
    assert target.stat().st_size < 0.6 * exported.stat().st_size
    weights = torch.load(target, weights_only=True)["model"]
    assert not any(one.dtype == torch.float32 for one in weights.values())
    found = json.loads(predictions(target, tmp_path / "out"))
    whole = json.loads((run_dir / "predictions.json").read_bytes())
    assert len(found) == pytest.approx(len(whole), rel=0.02)
    best, best_whole = (max(one["score"] for one in some) for some in (found, whole))
    assert best == pytest.approx(best_whole, rel=0.01)


def test_it_labels_boxes_as_the_run_s_teacher(
    run_dir: Path, exported: Path, scenes: Dataset, tmp_path: Path
) -> None:
    split = scenes.split("val")
    root = tmp_path / "own"
    (root / "annotations").mkdir(parents=True)
    content = json.loads(split.annotations.read_text())
    for annotation in content["annotations"]:
        del annotation["segmentation"]
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    shutil.copytree(split.images, root / "val")
    masks = []
    for name, checkpoint in (("run", run_dir), ("exported", exported)):
        words = ("--out", tmp_path / name, "--least-quality", "0", "--unsure", "mask")
        outcome = boxseg("annotate", root, "--checkpoint", checkpoint, *words)
        assert outcome.code == 0, outcome.err
        found = json.loads((tmp_path / name / "annotations/instances_val.json").read_text())
        masks.append([one.get("segmentation") for one in found["annotations"]])
    assert masks[0] == masks[1]
    assert any(masks[0])


def test_a_run_starts_from_it(exported: Path, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "method=boxseg", f"from='{exported}'")
    assert result(run)["iterations"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["mask-rcnn", "box2mask-c", pytest.param("boxseg-t", marks=NEEDS_MMDET)]
)
def test_other_hosts(data_dir: Path, tmp_path: Path, method: str) -> None:
    run = trained(tmp_path / "run", f"method={method}")
    target = tmp_path / "network.pt"
    assert boxseg("weights", "export", run, "--to", target).code == 0
    assert predictions(target, tmp_path / "out") == predictions(run, tmp_path / "own")


def test_a_labeller_that_learns_is_not_made_anew(scenes: Dataset, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", "method=sim")
    target = tmp_path / "sim.pt"
    assert boxseg("weights", "export", run, "--to", target).code == 0
    root = tmp_path / "own"
    (root / "annotations").mkdir(parents=True)
    split = scenes.split("val")
    shutil.copy(split.annotations, root / "annotations")
    shutil.copytree(split.images, root / "val")
    words = ("--checkpoint", target, "--out", tmp_path / "out")
    said = boxseg("annotate", root, *words).complaint
    assert said.startswith("the pseudo labeller of method=sim learns too")


def test_nothing_is_overwritten(run_dir: Path, exported: Path) -> None:
    before = exported.read_bytes()
    said = boxseg("weights", "export", run_dir, "--to", exported).complaint
    assert said == f"{exported} is there already; remove it, or choose another file."
    assert exported.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "RUN", "seed=1", "--to", "OUT"), "words is of `boxseg weights import`"),
        (("export", "RUN", "--network", "ema", "--to", "OUT"), "network is of `boxseg weights"),
        (("import", "RUN", "--half", "--to", "OUT"), "--half is of `boxseg weights export`"),
    ],
)
def test_options_of_the_other_action(
    run_dir: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    places = {"RUN": run_dir, "OUT": tmp_path / "out.pt"}
    outcome = boxseg("weights", *(places.get(word, word) for word in words))
    assert outcome.complaint.startswith(said)
