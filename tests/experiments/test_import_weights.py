"""`boxseg weights import`: published checkpoints, and what is no such thing."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from boxseg.backbones.resnet import resnet
from boxseg.engine.checkpoint import load_model_state, read_checkpoint, read_state_dict
from boxseg.weights.names import (
    ADELAIDET,
    BOXSEG,
    BOXTEACHER,
    DETECTRON_BACKBONE,
    SIM,
    Layout,
    translated,
)
from experiments.evaluate_checkpoint import saved_model
from tests.experiments.command_line import Outcome, boxseg
from tests.weights.published import published_checkpoint, tiny_segmenter, without


class Harmless:
    """What a malicious pickle does, but it only makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def written(file: Path, tensors: OrderedDict[str, Tensor]) -> Path:
    torch.save({"model": tensors, "iteration": 89_999, "optimizer": {"lr": 0.1}}, file)
    return file


def imported(tensors: OrderedDict[str, Tensor], folder: Path, *words: object) -> Outcome:
    """Import tensors from folder/a.pth to folder/a.pt."""
    file = written(folder / "a.pth", tensors)
    return boxseg("weights", "import", file, "--to", folder / "a.pt", *words)


@pytest.mark.parametrize(
    ("layout", "network", "method", "words"),
    [
        (ADELAIDET, "", "boxinst", []),
        (ADELAIDET, "", "condinst", ["segmenter.mask_branch.out_channels=8"]),
        (BOXTEACHER, "teacher.", "boxteacher", []),
        (BOXSEG, "teacher.", "boxteacher", []),
        (SIM, "", "sim", []),
    ],
)
def test_published_checkpoints(
    tmp_path: Path, layout: Layout, network: str, method: str, words: list[str]
) -> None:
    tensors = published_checkpoint(layout, tiny_segmenter(*words))
    # The networks of one checkpoint have the same weights by the recipe; here they differ.
    tensors[f"{network}controller.bias"] += 1
    outcome = imported(tensors, tmp_path)
    assert outcome.code == 0, outcome.err
    first, second, *_, last = outcome.out.splitlines()
    assert first.startswith(f"a.pth: {layout.title}, ResNet-18, 32 channels, 3 classes, ")
    assert first.endswith(f"method={method}")
    assert second.startswith(f"{len(tensors)} tensors: ")
    assert last == str(tmp_path / "a.pt")
    saved = saved_model(tmp_path / "a.pt")
    assert saved.config.method == method
    assert torch.equal(saved.state["controller.bias"], tensors[f"{network}controller.bias"])
    assert saved.state.keys() == tiny_segmenter(*words).state_dict().keys()
    assert saved.config.solver.precision == "float32"


@pytest.mark.parametrize(("network", "prefix"), [("ema", "_ema"), ("student", "")])
def test_another_network(tmp_path: Path, network: str, prefix: str) -> None:
    tensors = published_checkpoint(SIM, tiny_segmenter())
    assert imported(tensors, tmp_path, "--network", network).code == 0
    state = saved_model(tmp_path / "a.pt").state
    assert torch.equal(state["controller.weight"], tensors[f"controller{prefix}.weight"])


def test_deformable_and_semantic(tmp_path: Path) -> None:
    words = (
        "segmenter.backbone.bottom_up.depth=50",
        "segmenter.backbone.bottom_up.first_stage_channels=32",
        "segmenter.backbone.bottom_up.deformable_stages=[3,4]",
        "segmenter.backbone.bottom_up.deformable_interval=3",
        "segmenter.semantic_head={_target_: boxseg.condinst.semantic_head.SemanticHead, "
        "in_feature: p3, in_channels: 32, channels: 8, num_classes: 3, stride: 8}",
    )
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter(*words))
    assert "backbone.bottom_up.res3.0.conv2_offset.weight" in tensors
    assert "mask_branch.seg_head.1.0.weight" in tensors
    outcome = imported(tensors, tmp_path)
    assert outcome.code == 0, outcome.err
    assert "ResNet-50 with deformable convolutions" in outcome.out
    assert saved_model(tmp_path / "a.pt").state.keys() == tiny_segmenter(*words).state_dict().keys()


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
def test_a_missing_tensor_is_named(
    tmp_path: Path, layout: Layout, prefix: str, name: str
) -> None:
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


def test_sizes_of_interest_are_the_file_s(tmp_path: Path) -> None:
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter())
    sizes = [32.0, 64.0, 128.0, 256.0, 512.0]
    tensors["mask_head.sizes_of_interest"] = torch.tensor(sizes)
    assert imported(tensors, tmp_path).code == 0
    config = saved_model(tmp_path / "a.pt").config
    assert config.model.mask_head.level_scales == sizes


def test_words_are_kept(tmp_path: Path) -> None:
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter())
    outcome = imported(
        tensors,
        tmp_path,
        "method=boxteacher",
        "segmenter.detector.score_threshold=0.03",
        "segmenter.detector.max_detections=40",
        "images.test_short_side=480",
        "channel_order=RGB",
        "scale.input.pixel_mean=[1,2,3]",
        "evaluation_batch_size=1",
        "solver.precision=bfloat16",
    )
    assert outcome.code == 0, outcome.err
    config = saved_model(tmp_path / "a.pt").config
    assert config.model.detector.score_threshold == 0.03
    assert config.model.detector.max_detections == 40
    assert config.model.rescore.path.endswith("mask_aware_scores")
    assert (config.images.test_short_side, config.channel_order) == (480, "RGB")
    assert config.model.pixel_mean == [1, 2, 3]
    assert (config.evaluation_batch_size, config.solver.precision) == (1, "bfloat16")


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
    for out in (tmp_path / "out", tmp_path / "out" / "a.pt"):
        said = boxseg("weights", "import", file, "--to", out).complaint
        assert "is the directory of a run; import to another place" in said


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


def test_no_run_goes_on_from_an_import(tmp_path: Path) -> None:
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter())
    assert imported(tensors, tmp_path).code == 0
    assert read_checkpoint(tmp_path / "a.pt")["config_sha256"] == "imported"


def test_a_backbone(tmp_path: Path) -> None:
    model = resnet(50, stem_channels=8, first_stage_channels=32)
    back = [(ours, theirs) for theirs, ours in DETECTRON_BACKBONE]
    blobs = {
        translated(name, back): torch.rand(tensor.shape).numpy()
        for name, tensor in model.state_dict().items()
        if "running" not in name
    }
    file, out = tmp_path / "R-50.pkl", tmp_path / "r50.pt"
    file.write_bytes(pickle.dumps({"blobs": blobs}, protocol=2))
    outcome = boxseg("weights", "import", file, "--to", out)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == [
        f"R-50.pkl: ResNet-50, {len(blobs)} tensors",
        f"start from it with initial_weights={out}",
        str(out),
    ]
    load_model_state(model, read_state_dict(out), out)
    assert torch.equal(model.stem.conv1.weight, torch.from_numpy(blobs["conv1_w"]))
    said = boxseg("weights", "import", file, "--to", out, "method=boxinst").complaint
    assert "is a backbone alone, for which method=boxinst means nothing" in said
