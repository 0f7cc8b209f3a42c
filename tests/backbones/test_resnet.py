"""ResNets against Detectron2's own, and the pyramid on top."""

from __future__ import annotations

import pytest
import torch
from detectron2.modeling.backbone import ResNet
from detectron2.modeling.backbone.resnet import BasicStem
from torch import nn

from boxseg.backbones.deformable import DeformableBottleneckBlock
from boxseg.backbones.resnet import TwoCoarserLevels, pyramid, resnet
from boxseg.errors import InputError

RES = ("res2", "res3", "res4", "res5")


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def detectron2_resnet(depth: int, stride_in_1x1: bool = True) -> ResNet:
    extra = {"stride_in_1x1": stride_in_1x1} if depth >= 50 else {}
    stages = ResNet.make_default_stages(depth, norm="FrozenBN", **extra)
    return ResNet(BasicStem(3, 64, "FrozenBN"), stages, out_features=list(RES), freeze_at=2)


@pytest.mark.parametrize("depth", [18, 50])
def test_equals_detectron2s_own_build(depth: int) -> None:
    ours, theirs = resnet(depth, out_features=RES), detectron2_resnet(depth)
    assert shapes(ours) == shapes(theirs)
    assert ours.output_shape() == theirs.output_shape()
    expected = (64, 128, 256, 512) if depth == 18 else (256, 512, 1024, 2048)
    assert tuple(spec.channels for spec in ours.output_shape().values()) == expected
    assert tuple(spec.stride for spec in ours.output_shape().values()) == (4, 8, 16, 32)
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        for name, found in theirs(image).items():
            assert found.shape[2:] == (64 // 2 ** int(name[3]), 96 // 2 ** int(name[3]))
            torch.testing.assert_close(ours(image)[name], found)


def test_the_stride_in_the_3x3_convolution_changes_what_equal_weights_compute() -> None:
    ours, theirs = resnet(50, stride_in_1x1=False), detectron2_resnet(50, stride_in_1x1=False)
    ours.load_state_dict(theirs.state_dict())
    usual = resnet(50)
    usual.load_state_dict(theirs.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found, wanted, other = ours(image)["res5"], theirs(image)["res5"], usual(image)["res5"]
    torch.testing.assert_close(found, wanted)
    assert other.shape == wanted.shape
    assert not torch.allclose(other, wanted, rtol=0.01)


def test_the_stride_of_a_deformable_bottleneck_is_in_its_3x3_convolution() -> None:
    model = resnet(
        50,
        norm="",
        stem_channels=8,
        first_stage_channels=32,
        deformable_stages=(3,),
        stride_in_1x1=False,
        out_features=("res3",),
    )
    assert model.res3[0].conv1.stride == (1, 1)
    assert model.res3[0].conv2.stride == model.res3[0].conv2.offset.stride == (2, 2)
    assert model(torch.zeros(1, 3, 32, 32))["res3"].shape[2:] == (4, 4)


@pytest.mark.parametrize(("depth", "blocks"), [(34, (3, 4, 6, 3)), (101, (3, 4, 23, 3))])
def test_number_of_blocks(depth: int, blocks: tuple[int, ...]) -> None:
    # Without normalisation and at an eighth of the width: as deep, and quickly built.
    model = resnet(depth, norm="", stem_channels=8, first_stage_channels=32, out_features=RES)
    assert tuple(len(getattr(model, stage)) for stage in RES) == blocks


def test_bottlenecks_carry_the_stride_in_their_first_convolution() -> None:
    model = resnet(50, norm="", stem_channels=8, first_stage_channels=32)
    assert model.res3[0].conv1.stride == (2, 2)
    assert model.res3[0].conv2.stride == (1, 1)
    assert model.res2[0].conv1.stride == (1, 1)


@pytest.mark.parametrize(("freeze_at", "frozen"), [(0, []), (2, ["res2", "stem"])])
def test_frozen_stages(freeze_at: int, frozen: list[str]) -> None:
    model = resnet(18, norm="BN", freeze_at=freeze_at, stem_channels=8, first_stage_channels=8)
    modules = {name.split(".")[0] for name, p in model.named_parameters() if not p.requires_grad}
    assert sorted(modules) == frozen


def test_unknown_depth() -> None:
    with pytest.raises(InputError, match="depth 19 is not one of 18, 34, 50, 101"):
        resnet(19)


def test_basic_blocks_cannot_be_deformable() -> None:
    with pytest.raises(InputError, match=r"ResNet-18 has no bottleneck .* use depth 50 or 101"):
        resnet(18, deformable_stages=(3, 4, 5))


def test_deformable_resnet_101() -> None:
    """Modulated deformable convolutions in res3 to res5 and nowhere else; and it runs."""
    model = resnet(
        101,
        norm="BN",
        freeze_at=0,
        stem_channels=16,
        first_stage_channels=32,
        deformable_stages=(3, 4, 5),
        out_features=RES,
    )
    for stage in RES:
        kinds = {isinstance(block, DeformableBottleneckBlock) for block in getattr(model, stage)}
        assert kinds == {stage != "res2"}
    found = model(torch.randn(2, 3, 64, 96))
    assert found["res5"].shape == (2, 256, 2, 3)
    found["res5"].square().mean().backward()
    offset = model.res5[2].conv2.offset.weight
    assert offset.grad is not None
    assert offset.grad.any()
    assert offset.grad.isfinite().all()


def test_every_third_block_deformable() -> None:
    model = resnet(
        50,
        stem_channels=8,
        first_stage_channels=32,
        deformable_stages=(3, 4),
        deformable_interval=3,
        out_features=RES,
    )
    deformable = {
        stage: [isinstance(b, DeformableBottleneckBlock) for b in getattr(model, stage)]
        for stage in RES
    }
    assert deformable == {
        "res2": [False] * 3,
        "res3": [True, False, False, True],
        "res4": [True, False, False, True, False, False],
        "res5": [False] * 3,
    }


def test_deformable_parameters_keep_their_published_names() -> None:
    """Besides the offsets: weights and normalisation are where a plain network has them."""
    settings = {"norm": "FrozenBN", "stem_channels": 8, "first_stage_channels": 32}
    plain = shapes(resnet(50, **settings))  # type: ignore[arg-type]
    deformable = shapes(resnet(50, deformable_stages=(5,), **settings))  # type: ignore[arg-type]
    assert {name: shape for name, shape in deformable.items() if ".offset." not in name} == plain
    offsets = {name: shape for name, shape in deformable.items() if ".offset." in name}
    # 18 offsets and 9 weights of the taps in each of the three blocks; 256 / 4 = 64 channels.
    assert offsets == {
        f"res5.{block}.conv2.offset.{kind}": shape
        for block in range(3)
        for kind, shape in (("weight", (27, 64, 3, 3)), ("bias", (27,)))
    }


def test_pyramid_levels() -> None:
    def bottom_up(*features: str) -> ResNet:
        return resnet(18, "BN", 0, stem_channels=8, first_stage_channels=8, out_features=features)

    image = torch.randn(1, 3, 128, 128)
    plain = pyramid(bottom_up("res2", "res3", "res4"), ("res2", "res3", "res4"), 16)
    assert {name: f.shape for name, f in plain(image).items()} == {
        "p2": (1, 16, 32, 32),
        "p3": (1, 16, 16, 16),
        "p4": (1, 16, 8, 8),
    }
    assert plain.size_divisibility == 16
    features = ("res3", "res4", "res5")
    coarse = pyramid(bottom_up(*features), features, 16, TwoCoarserLevels(16))
    found = coarse(image)
    assert {name: f.shape[-1] for name, f in found.items()} == {
        "p3": 16,
        "p4": 8,
        "p5": 4,
        "p6": 2,
        "p7": 1,
    }
    assert {name: s.stride for name, s in coarse.output_shape().items()} == {
        f"p{level}": 2**level for level in range(3, 8)
    }
    # P6 comes from P5, P7 from the rectified P6.
    top = coarse.top_block
    torch.testing.assert_close(found["p6"], top.p6(found["p5"]))
    torch.testing.assert_close(found["p7"], top.p7(found["p6"].relu()))
