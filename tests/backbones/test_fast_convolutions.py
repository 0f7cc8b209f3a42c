"""Gradients of convolutions that the CPU's library is slow at, against the library's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boxseg.backbones.fast_convolutions import fast_convolutions

CPU = torch.device("cpu")
KINDS: dict[str, tuple[nn.Conv2d, tuple[int, int]]] = {
    "oblong": (nn.Conv2d(128, 80, (3, 5), stride=(1, 2), padding=(0, 2)), (7, 8)),
    "wide": (nn.Conv2d(128, 130, 3, padding=1), (5, 3)),
    "depthwise": (nn.Conv2d(6, 6, 5, padding=2, groups=6), (7, 8)),
    "depthwise, strided": (nn.Conv2d(6, 6, 5, stride=2, groups=6, bias=False), (12, 11)),
    "depthwise, oblong": (nn.Conv2d(6, 6, (5, 7), (1, 3), (2, 0), groups=6), (7, 12)),
    "wide, strided": (nn.Conv2d(128, 130, 3, stride=2, padding=1, bias=False), (7, 6)),
}


def gradients(convolution: nn.Conv2d, x: Tensor, towards: Tensor) -> list[Tensor]:
    return list(
        torch.autograd.grad((convolution(x) * towards).sum(), [x, *convolution.parameters()])
    )


def is_computed_here(output: Tensor) -> bool:
    return type(output.grad_fn).__name__ in ("_AsProductsBackward", "_DepthwiseBackward")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_librarys(kind: str, layout: torch.memory_format) -> None:
    convolution, size = KINDS[kind]
    x = torch.randn(2, convolution.in_channels, *size).contiguous(memory_format=layout)
    x.requires_grad_()
    librarys = convolution(x)
    towards = torch.randn_like(librarys)
    expected = gradients(convolution, x, towards)
    with fast_convolutions(CPU):
        output = convolution(x)
        assert is_computed_here(output)
        torch.testing.assert_close(output, librarys, rtol=1e-4, atol=1e-4)
        found = gradients(convolution, x, towards)
        again = gradients(convolution, x, towards)
    for ours, theirs, repeated in zip(found, expected, again, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        assert torch.equal(ours, repeated)


def test_everything_else_is_the_librarys() -> None:
    wide, few = torch.randn(1, 128, 4, 4), torch.randn(1, 6, 8, 8, requires_grad=True)
    with fast_convolutions(CPU):
        for convolution, x in (
            (nn.Conv2d(6, 6, 3, groups=6), few),
            (nn.Conv2d(6, 6, 5), few),
            (nn.Conv2d(6, 12, 5, groups=6), few),
            (nn.Conv2d(6, 6, 5, groups=3), few),
            (nn.Conv2d(128, 128, 3).requires_grad_(False), wide),
            (nn.Conv2d(512, 512, 3, groups=2), torch.randn(1, 512, 4, 4)),
            (nn.Conv2d(128, 128, 1), wide),
            (nn.Conv2d(128, 128, 3, dilation=2, padding=2), wide),
            (nn.Conv2d(128, 128, 3, padding="same"), wide),
            (nn.Conv2d(128, 128, 3), torch.randn(1, 128, 20, 20)),
        ):
            assert not is_computed_here(convolution(x))
        with torch.autocast("cpu", torch.bfloat16):
            assert not is_computed_here(nn.Conv2d(128, 128, 3)(wide))
    assert not is_computed_here(nn.Conv2d(128, 128, 3)(wide))


def test_without_gradients_the_convolution_is_the_librarys() -> None:
    convolution, size = KINDS["wide"]
    x = torch.randn(2, 128, *size)
    with torch.no_grad(), fast_convolutions(CPU):
        found = F.conv2d(x, convolution.weight, convolution.bias, padding=1)
    assert not found.requires_grad
    assert torch.equal(found, convolution(x))
