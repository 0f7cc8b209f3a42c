"""Published ImageNet backbones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from torch import nn

from boxseg.backbones.resnet import resnet
from boxseg.errors import InputError
from boxseg.weights.backbone import bottom_up_weights, is_backbone
from boxseg.weights.names import DETECTRON_BACKBONE, translated
from boxseg.weights.read import read_weights

FILE = Path("R-50.pkl")


def tiny(depth: int = 50) -> nn.Module:
    return resnet(depth, stem_channels=8, first_stage_channels=32)


def msra(model: nn.Module) -> dict[str, np.ndarray]:
    """The arrays of Detectron's file: normalisation folded, a classifier beside the features."""
    rng = np.random.default_rng(0)
    back = [(ours, theirs) for theirs, ours in DETECTRON_BACKBONE]
    arrays = {
        published: rng.standard_normal(tensor.shape).astype(np.float32)
        for name, tensor in model.state_dict().items()
        if (published := translated(name, back)) is not None
    }
    arrays |= {"fc1000_w": rng.standard_normal((10, 4)), "fc1000_b": rng.standard_normal(10)}
    return arrays | {"conv1_b": np.zeros(8, np.float32)}


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize("depth", [50, 101])
def test_what_detectron2_loads(tmp_path: Path, depth: int) -> None:
    file = tmp_path / "R-50.pkl"
    model = tiny(depth)
    file.write_bytes(pickle.dumps(msra(model), protocol=2))
    architecture, state = bottom_up_weights(read_weights(file), file)
    assert architecture.depth == depth
    DetectionCheckpointer(model).load(str(file))
    expected = model.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())


def test_detectron2_s_own_names() -> None:
    state = {name: torch.rand(t.shape) for name, t in tiny().state_dict().items()}
    found = bottom_up_weights({**state, "stem.fc.weight": torch.ones(2, 2)}, FILE)[1]
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_what_a_backbone_is() -> None:
    assert is_backbone(msra(tiny()))
    assert is_backbone(tiny().state_dict())
    assert not is_backbone(["backbone.bottom_up.stem.conv1.weight", "controller.bias", "fc1000_w"])


@pytest.mark.parametrize(
    "name", ["conv1_w", "res_conv1_bn_s", "res2_0_branch2c_w", "res5_2_branch2a_bn_b"]
)
def test_a_missing_tensor_is_named(name: str) -> None:
    arrays = msra(tiny())
    del arrays[name]
    with pytest.raises(InputError, match=f"1 missing: {name};"):
        bottom_up_weights(tensors(arrays), FILE)


@pytest.mark.parametrize("name", ["res2_0_branch2d_w", "pred_w", "res6_0_branch2a_w"])
def test_a_left_over_tensor_is_named(name: str) -> None:
    arrays = {**msra(tiny()), name: np.zeros(3, np.float32)}
    with pytest.raises(InputError, match=f"1 left over: {name};"):
        bottom_up_weights(tensors(arrays), FILE)


def test_statistics_are_all_there_or_none() -> None:
    state = dict(tiny().state_dict())
    del state["res3.1.conv2.norm.running_var"]
    with pytest.raises(InputError, match=r"1 missing: res3\.1\.conv2\.norm\.running_var;"):
        bottom_up_weights(state, FILE)


def test_another_shape() -> None:
    arrays = {**msra(tiny()), "res3_0_branch2a_w": np.zeros((1, 2, 1, 1), np.float32)}
    with pytest.raises(InputError, match=r"res3_0_branch2a_w \(1 x 2 x 1 x 1 float32 instead of"):
        bottom_up_weights(tensors(arrays), FILE)
