"""Modulated deformable convolution."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from boxseg.backbones.deformable import (
    DeformableBottleneckBlock,
    DepthwiseDeformableConv2d,
    ModulatedDeformableConv2d,
    make_depthwise_deformable,
)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("kernel", [3, 5])
def test_starts_as_the_plain_convolution(stride: int, groups: int, kernel: int) -> None:
    plain = nn.Conv2d(6, 12, kernel, stride, padding=kernel // 2, groups=groups)
    x = torch.randn(2, 6, 9, 11)
    expected = plain(x)
    torch.testing.assert_close(
        ModulatedDeformableConv2d(plain, modulation_range=2.0)(x), expected, rtol=1e-4, atol=1e-5
    )
    # Otherwise taps are weighted by one half, the bias by one.
    assert plain.bias is not None
    halved = expected / 2 + plain.bias[:, None, None] / 2
    torch.testing.assert_close(ModulatedDeformableConv2d(plain)(x), halved, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3, 5)])
@pytest.mark.parametrize("size", [(7, 9), (4, 1)])
def test_depthwise_equals_torchvision_s_operator(
    kernel: tuple[int, int], size: tuple[int, int]
) -> None:
    """With offsets that leave the map on all sides; values, and gradients of all there is."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    plain = nn.Conv2d(6, 6, kernel, padding=padding, groups=6)
    operator = ModulatedDeformableConv2d(plain, modulation_range=2.0)
    nn.init.normal_(operator.offset.weight, std=0.3)
    fast = DepthwiseDeformableConv2d(copy.deepcopy(plain), modulation_range=2.0)
    fast.load_state_dict(operator.state_dict())
    found = []
    for layer in (operator, fast):
        x = torch.randn(2, 6, *size, generator=torch.Generator().manual_seed(3)).requires_grad_()
        out = layer(x)
        out.square().sum().backward()
        found.append([out, x.grad, *(p.grad for p in layer.parameters())])
    assert all(one is not None for one in found[0])
    assert operator.offset(torch.randn(2, 6, *size)).abs().max() > 1
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
def test_offsets_without_bounds_do_not_stop_a_step(value: float) -> None:
    """What is not a number is told by the loss; a place beyond all integers is outside."""
    layer = DepthwiseDeformableConv2d(nn.Conv2d(6, 6, 3, padding=1, groups=6))
    with torch.no_grad():
        layer.offset.bias[0] = value  # type: ignore[index]
    out = layer(torch.randn(1, 6, 4, 5))
    assert bool(out.isfinite().all()) == (value == -1e30)


def test_offsets_move_the_taps() -> None:
    """All taps one pixel to the right: the plain convolution of the image shifted left."""
    plain = nn.Conv2d(3, 4, 3, padding=1)
    moved = ModulatedDeformableConv2d(plain, modulation_range=2.0)
    with torch.no_grad():
        moved.offset.bias[1:18:2] = 1.0  # type: ignore[index]  # (y, x) pairs of nine taps
    x = torch.randn(1, 3, 6, 8)
    shifted = torch.cat((x[..., 1:], torch.zeros(1, 3, 6, 1)), dim=3)
    # Column 0's left taps see the image where the shifted image is padded, so it is left out.
    torch.testing.assert_close(moved(x)[..., 1:], plain(shifted)[..., 1:], rtol=1e-4, atol=1e-5)


def test_modulation_switches_taps() -> None:
    """Only the middle tap on: a 1x1 convolution with its weights."""
    plain = nn.Conv2d(3, 4, 3, padding=1)
    module = ModulatedDeformableConv2d(plain)
    with torch.no_grad():
        module.offset.bias[18:] = -100.0  # type: ignore[index]
        module.offset.bias[18 + 4] = 100.0  # type: ignore[index]
    x = torch.randn(1, 3, 5, 5)
    middle = nn.functional.conv2d(x, plain.weight[:, :, 1:2, 1:2], plain.bias)
    torch.testing.assert_close(module(x), middle, rtol=1e-4, atol=1e-5)


def test_gradients_reach_weights_and_offsets() -> None:
    module = ModulatedDeformableConv2d(nn.Conv2d(4, 4, 3, padding=1))
    module(torch.randn(1, 4, 6, 6)).square().mean().backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert parameter.grad.any()
    # Offsets (rows 0 to 17) and weights of the taps (the other nine) alike.
    rows = module.offset.weight.grad.flatten(1).any(dim=1)  # type: ignore[union-attr]
    assert rows[:18].any()
    assert rows[18:].all()


def test_works_in_float32_under_autocast() -> None:
    module = ModulatedDeformableConv2d(nn.Conv2d(4, 4, 3, padding=1))
    x = torch.randn(1, 4, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        found = module(x.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, module(x), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(("stride", "in_1x1"), [(1, False), (2, True), (2, False)])
def test_bottleneck_block(stride: int, in_1x1: bool) -> None:
    block = DeformableBottleneckBlock(
        8, 16, bottleneck_channels=4, stride=stride, norm="BN", stride_in_1x1=in_1x1
    ).eval()
    x = torch.randn(2, 8, 8, 10)
    found = block(x)
    assert found.shape == (2, 16, 8 // stride, 10 // stride)
    # The same through its parts, with the plain convolution's taps halved.
    conv2 = block.conv2
    out = block.conv1(x).relu()
    out = conv2.norm(nn.functional.conv2d(out, conv2.weight / 2, None, conv2.stride, 1)).relu()
    expected = (block.conv3(out) + block.shortcut(x)).relu()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_only_depthwise_convolutions_of_stride_1_become_deformable() -> None:
    stage = nn.Sequential(
        nn.Conv2d(6, 6, 3, padding=1),  # not depthwise
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.Sequential(nn.Conv2d(6, 6, 5, padding=2, groups=6), nn.ReLU()),
        nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6),
        nn.Conv2d(6, 1, 1),
        nn.Conv2d(1, 1, 3, padding=1),  # one channel: an ordinary convolution
    )
    before = copy.deepcopy(stage)
    make_depthwise_deformable(stage)
    deformable = [n for n, m in stage.named_modules() if isinstance(m, DepthwiseDeformableConv2d)]
    assert deformable == ["1", "2.0"]
    x = torch.randn(1, 6, 12, 12)
    torch.testing.assert_close(stage(x), before(x), rtol=1e-4, atol=1e-5)
