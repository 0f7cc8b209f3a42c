"""`boxseg weights import`: what it refuses, and that it names what is wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from boxseg.weights.names import ADELAIDET, BOXTEACHER, Layout
from experiments.run.saved_model import saved_model
from tests.experiments.command_line import boxseg
from tests.experiments.importing import imported, written
from tests.weights.harmless import Harmless
from tests.weights.published import published_checkpoint, tiny_segmenter, without


@pytest.mark.parametrize(
    "name",
    [
        "backbone.bottom_up.stem.conv1.weight",
        "backbone.bottom_up.res4.1.conv2.norm.running_var",
        "backbone.fpn_output3.weight",
        "backbone.top_block.p7.bias",
        "proposal_generator.fcos_head.cls_logits.weight",
        "proposal_generator.fcos_head.bbox_tower.1.weight",
        "proposal_generator.fcos_head.scales.4.scale",
        "mask_branch.tower.0.1.num_batches_tracked",
        "mask_branch.tower.1.weight",
        "controller.weight",
        "mask_head.sizes_of_interest",
        "mask_head._iter",
    ],
)
@pytest.mark.parametrize(("layout", "prefix"), [(ADELAIDET, ""), (BOXTEACHER, "student.")])
def test_a_missing_tensor_is_named(tmp_path: Path, layout: Layout, prefix: str, name: str) -> None:
    tensors = published_checkpoint(layout, tiny_segmenter())
    outcome = imported(without(tensors, [prefix + name]), tmp_path)
    assert f"1 missing: {prefix}{name};" in outcome.complaint
    assert not (tmp_path / "a.pt").exists()


@pytest.mark.parametrize(
    "name",
    [
        "backbone.bottom_up.res5.2.conv1.weight",
        "backbone.fpn_lateral2.weight",
        "proposal_generator.fcos_head.share_tower.0.weight",
        "proposal_generator.fcos_head.scales.5.scale",
        "mask_branch.tower.2.weight",
        "controller.scale",
        "mask_head.prototypes",
        "pixel_mean",
        "controller_ema.bias",
        "teacher.controller.bias",
    ],
)
def test_a_left_over_tensor_is_named(tmp_path: Path, name: str) -> None:
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter())
    tensors[name] = torch.zeros(3)
    assert f"1 left over: {name};" in imported(tensors, tmp_path).complaint
    assert not (tmp_path / "a.pt").exists()
    assert imported(tensors, tmp_path, "--ignore", name).code == 0


def test_what_no_prediction_needs_may_be_absent_if_said_so(tmp_path: Path) -> None:
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter())
    older = without(tensors, ["mask_head._iter"])
    assert imported(older, tmp_path, "--ignore", "mask_head._*").code == 0
    needed = without(tensors, ["controller.bias"])
    said = imported(needed, tmp_path, "--ignore", "controller.bias").complaint
    assert "1 missing: controller.bias;" in said


def test_another_shape_is_named(tmp_path: Path) -> None:
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter())
    tensors["controller.bias"] = torch.zeros(169)
    said = imported(tensors, tmp_path).complaint
    assert "1 of another shape: controller.bias (169 float32 instead of 233 float32)" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seeed=1"], "unknown key 'seeed'"),
        (["method=boxsegg"], "there is no method 'boxsegg'"),
        (["method=mask-rcnn"], "method mask-rcnn has another segmenter than AdelaiDet"),
        (["scale=mini"], "scale mini has another pyramid than published checkpoints"),
        (["--network", "teacher"], "AdelaiDet's checkpoints have no network 'teacher'"),
        (["dataset.num_classes=80"], "cls_logits.bias (3 float32 instead of 80 float32)"),
    ],
)
def test_wrong_words(tmp_path: Path, words: list[str], said: str) -> None:
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter())
    assert said in imported(tensors, tmp_path, *words).complaint
    assert not (tmp_path / "a.pt").exists()


def test_a_folder_to_write_to(tmp_path: Path) -> None:
    file = written(tmp_path / "a.pth", published_checkpoint(ADELAIDET, tiny_segmenter()))
    (tmp_path / "out").mkdir()
    outcome = boxseg("weights", "import", file, "--to", tmp_path / "out")
    assert outcome.out.splitlines()[-1] == str(tmp_path / "out" / "checkpoint.pt")
    assert saved_model(tmp_path / "out").imported
    (tmp_path / "out" / "config.yaml").write_text("seed: 0\n")
    said = boxseg("weights", "import", file, "--to", tmp_path / "out").complaint
    assert "is the directory of a run; import to another place" in said


def test_the_file_itself_is_not_written_over(tmp_path: Path) -> None:
    file = written(tmp_path / "a.pth", published_checkpoint(ADELAIDET, tiny_segmenter()))
    before = file.read_bytes()
    said = boxseg("weights", "import", file, "--to", tmp_path / "." / "a.pth").complaint
    assert "is the file to import; write to another one" in said
    assert file.read_bytes() == before


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_a_file_that_would_run_code(tmp_path: Path, kind: str) -> None:
    made, file, out = tmp_path / "made", tmp_path / "a.pth", tmp_path / "a.pt"
    content = {"model": {"controller.bias": [1.0]}, "hooks": Harmless(made)}
    if kind == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=kind == "zip")
    said = boxseg("weights", "import", file, "--to", out).complaint
    assert "asks for posix.mkdir to be read" in said
    assert not made.exists()
    assert not out.exists()
