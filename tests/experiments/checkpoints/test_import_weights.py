"""`boxseg weights import`: published checkpoints, and what is no such thing."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

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
from experiments.run.saved_model import saved_model
from tests.experiments.command_line import boxseg
from tests.experiments.importing import imported
from tests.weights.published import published_checkpoint, tiny_segmenter


@pytest.mark.parametrize(
    ("layout", "network", "method", "words"),
    [
        (ADELAIDET, "", "boxinst", []),
        (ADELAIDET, "", "condinst", ["segmenter.mask_branch.out_channels=8"]),
        (BOXTEACHER, "teacher.", "boxteacher", []),
        (BOXSEG, "teacher.", "boxseg-released", []),
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


@pytest.mark.parametrize("layout", [BOXTEACHER, BOXSEG, ADELAIDET])
@pytest.mark.parametrize("stages", ["[]", "[4]"])
def test_the_stride_of_a_published_deformable_backbone(
    layout: Layout, stages: str, tmp_path: Path
) -> None:
    words = (
        "segmenter.backbone.bottom_up.depth=50",
        "segmenter.backbone.bottom_up.first_stage_channels=32",
        f"segmenter.backbone.bottom_up.deformable_stages={stages}",
    )
    assert imported(published_checkpoint(layout, tiny_segmenter(*words)), tmp_path).code == 0
    bottom_up = saved_model(tmp_path / "a.pt").config.model["backbone"]["bottom_up"]
    in_3x3 = layout is not ADELAIDET and stages == "[4]"
    assert bottom_up.get("stride_in_1x1", True) is not in_3x3


def test_sizes_of_interest_are_the_file_s(tmp_path: Path) -> None:
    tensors = published_checkpoint(ADELAIDET, tiny_segmenter())
    sizes = [32.0, 64.0, 128.0, 256.0, 512.0]
    tensors["mask_head.sizes_of_interest"] = torch.tensor(sizes)
    assert imported(tensors, tmp_path).code == 0
    config = saved_model(tmp_path / "a.pt").config
    assert config.model["mask_head"]["level_scales"] == sizes


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
    assert config.model["detector"]["score_threshold"] == 0.03
    assert config.model["detector"]["max_detections"] == 40
    assert config.model["rescore"]["path"].endswith("mask_aware_scores")
    assert (config.images.test_short_side, config.channel_order) == (480, "RGB")
    assert config.model["pixel_mean"] == [1, 2, 3]
    assert (config.evaluation_batch_size, config.solver.precision) == (1, "bfloat16")


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
