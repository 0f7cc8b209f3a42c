"""Gradients of convolutions' weights, where a CPU's library is slow at them.

oneDNN is near a core's peak at most convolutions. For the weights of wide convolutions of maps of a
few cells it needs two to four times as long as one product of matrices, and for those of large
depthwise kernels three to five times as long as one depthwise convolution, of every image and
channel with the gradient of its output. Those are used instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

FEW_CELLS = 256
"""Of the output, over the batch: up to here a product of matrices is faster for wide weights."""

WIDE = 2**17
"""Weights from which that holds: 128 channels to 128, 3x3."""

LARGE = 25
"""Weights of a depthwise kernel, 5x5, from which the other holds; at 3x3 oneDNN is faster."""


@contextmanager
def fast_weight_gradients(device: torch.device) -> Iterator[None]:
    """Let the convolutions of a network that is run here take the faster gradient of the two.

    On devices other than the CPU, and where no gradient is asked for, nothing changes.
    """
    if device.type != "cpu" or not torch.is_grad_enabled():
        yield
        return
    with _Convolutions():
        yield


class _Convolutions(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Any,
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.conv2d:
            return _convolve(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _convolve(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """`torch.conv2d`, with another gradient where that is faster."""
    steps, pads = _pair(stride), _pair(padding)
    if (
        not weight.requires_grad
        or isinstance(padding, str)
        or _pair(dilation) != (1, 1)
        or input.dtype != torch.float32
        or torch.is_autocast_enabled("cpu")
        or not (
            is_depthwise(weight, input.shape[1], groups)
            if groups > 1
            else is_wide(weight) and _cells(input, weight, steps, pads) <= FEW_CELLS
        )
    ):
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    return _Convolution.apply(input, weight, bias, steps, pads, groups)


def _pair(value: Any) -> tuple[int, int]:
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def may_be_faster(model: nn.Module) -> bool:
    """Whether a network has convolutions whose gradients may be faster here."""
    return any(
        is_depthwise(module.weight, module.in_channels, module.groups)
        if module.groups > 1
        else is_wide(module.weight)
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    )


def is_wide(weight: Tensor) -> bool:
    """Whether a weight is one of those whose gradient may be a product of matrices."""
    return weight[0, 0].numel() > 1 and weight.numel() >= WIDE


def is_depthwise(weight: Tensor, channels: int, groups: int) -> bool:
    """Whether a weight is a large kernel for each of the channels."""
    return len(weight) == channels == groups and weight[0, 0].numel() >= LARGE


def _cells(x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> int:
    """Of the output, over the batch."""
    cells = len(x)
    for side, kernel, step, pad in zip(x.shape[2:], weight.shape[2:], stride, padding, strict=True):
        cells *= (side + 2 * pad - kernel) // step + 1
    return cells


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
        groups: int,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = (stride, padding, groups)
        return torch.conv2d(x, weight, bias, stride, padding, 1, groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, groups = ctx.settings
        of_x = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.convolution_backward(
                *(gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), groups),
                (True, False, False),
            )[0]
        of_kind = weight_gradient if groups == 1 else depthwise_weight_gradient
        of_weight = of_kind(x, gradient, weight.shape[2:], stride, padding)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=(0, 2, 3))
        return of_x, of_weight, of_bias, None, None, None


def weight_gradient(
    x: Tensor,
    gradient: Tensor,
    kernel: Sequence[int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """The gradient of a convolution's weight.

    Args:
        x: (B, C, H, W), the input.
        gradient: (B, D, h, w), of the output.
        kernel: height and width.
        stride, padding: of the convolution.

    Returns:
        (D, C, *kernel).
    """
    rows = F.pad(
        x.permute(0, 2, 3, 1), (0, 0, padding[1], padding[1], padding[0], padding[0])
    ).contiguous()
    height, width = gradient.shape[2:]
    gradient = gradient.permute(0, 2, 3, 1)
    windows = rows.unfold(1, kernel[0], stride[0]).unfold(2, kernel[1], stride[1])
    windows = windows[:, :height, :width].permute(4, 5, 0, 1, 2, 3)  # (kh, kw, B, h, w, C)
    columns = windows.permute(2, 3, 4, 0, 1, 5).reshape(-1, kernel[0] * kernel[1] * x.shape[1])
    product = gradient.reshape(len(columns), -1).T @ columns
    return product.view(-1, *kernel, x.shape[1]).permute(0, 3, 1, 2)


def depthwise_weight_gradient(
    x: Tensor,
    gradient: Tensor,
    kernel: Sequence[int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """The gradient of a depthwise convolution's weight; arguments as of `weight_gradient`, D = C.

    Returns:
        (C, 1, *kernel).
    """
    batch, channels = x.shape[:2]
    # One image with a channel for each of the batch's, and a kernel as large as the output.
    planes = x.contiguous().view(1, batch * channels, *x.shape[2:])
    kernels = gradient.contiguous().view(batch * channels, 1, *gradient.shape[2:])
    found = torch.conv2d(planes, kernels, None, 1, padding, stride, batch * channels)
    # Where strides leave rows or columns of the input over, there are more places than weights.
    return (
        found[..., : kernel[0], : kernel[1]].unflatten(1, (batch, channels)).sum(1).transpose(0, 1)
    )
