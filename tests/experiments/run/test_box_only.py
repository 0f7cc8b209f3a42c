"""Training on boxes never sees a mask."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.experiments.command_line import losses, result, train, trained
from tests.method_steps import NEEDS_MMDET

GARBAGE = (None, "nonsense", [[0, 0]], {"size": [1, 1], "counts": "x"}, [])


def corrupt_every_mask(annotations: Path) -> None:
    content = json.loads(annotations.read_text())
    for number, annotation in enumerate(content["annotations"]):
        annotation["segmentation"] = GARBAGE[number % len(GARBAGE)]
    annotations.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "method",
    [
        "method=boxinst losses=box",
        "method=boxinst losses=level-set",
        pytest.param("method=boxinst-t schedule=1x", marks=NEEDS_MMDET),
        pytest.param("method=box2mask-t schedule=1x", marks=NEEDS_MMDET),
        pytest.param(
            "method=boxseg-t schedule=1x segmenter.score_threshold=0 "
            "pseudo_labels.fusion.score_threshold=0",
            marks=NEEDS_MMDET,
        ),
    ],
)
def test_corrupting_every_training_mask_changes_nothing(
    method: str, coco_root: Path, tmp_path: Path
) -> None:
    words = (*method.split(), "dataset=coco-folder", f"root={coco_root}")
    clean = trained(tmp_path / "clean", *words)
    corrupt_every_mask(coco_root / "annotations" / "instances_train.json")
    corrupt = trained(tmp_path / "corrupt", *words)
    assert losses(corrupt) == losses(clean)
    assert len(losses(clean)) == 4
    assert result(corrupt)["metrics"] == result(clean)["metrics"]
    assert result(clean)["metrics"]["segm/AP"] is not None  # the evaluated masks are whole
    predictions = [(run / "predictions.json").read_bytes() for run in (clean, corrupt)]
    assert predictions[0] == predictions[1]
    one, other = (weights_of(run) for run in (clean, corrupt))
    assert one.keys() == other.keys()
    assert all(torch.equal(other[name], weights) for name, weights in one.items())


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """Of the model; what a copy-paste remembers is no tensor."""
    model = torch.load(run / "checkpoint.pt", weights_only=True)["model"]
    return {name: weights for name, weights in model.items() if torch.is_tensor(weights)}


def test_training_on_masks_refuses_them(coco_root: Path, tmp_path: Path) -> None:
    corrupt_every_mask(coco_root / "annotations" / "instances_train.json")
    outcome = train(tmp_path / "run", "method=condinst", "dataset=coco-folder", f"root={coco_root}")
    assert outcome.complaint.startswith("annotation 1 in ")
    assert "has no `segmentation`; give it one or choose a method that trains" in outcome.complaint


def test_a_folder_without_any_mask_gives_box_ap(coco_root: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        file = coco_root / "annotations" / f"instances_{split}.json"
        content = json.loads(file.read_text())
        for annotation in content["annotations"]:
            del annotation["segmentation"], annotation["area"], annotation["iscrowd"]
        file.write_text(json.dumps(content))
    words = ("method=boxinst", "dataset=coco-folder", f"root={coco_root}")
    outcome = train(tmp_path / "run", *words)
    assert outcome.code == 0, outcome.err
    metrics = result(tmp_path / "run")["metrics"]
    assert metrics["segm/AP"] is None
    assert metrics["bbox/AP"] is not None
    assert outcome.out.splitlines()[1].split() == ["mask", *["-"] * 6]
