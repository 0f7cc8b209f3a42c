"""Convolutions, and their gradients, where a CPU's library is slow at them.

oneDNN is near a core's peak at most convolutions. For wide ones of maps of a few cells it needs two
to four times as long as products of matrices, and for the weights of large depthwise kernels three
to five times as long as one depthwise convolution, of every image and channel with the gradient of
its output. Those are used instead.
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
"""Of the output, over the batch: up to here products of matrices are faster for wide weights."""

WIDE = 2**17
"""Weights from which that holds: 128 channels to 128, 3x3."""

LARGE = 25
"""Weights of a depthwise kernel, 5x5, from which the other holds; at 3x3 oneDNN is faster."""

Pair = tuple[int, int]


@contextmanager
def fast_convolutions(device: torch.device) -> Iterator[None]:
    """Let the convolutions of a network that is run here take the faster way of the two.

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
    """`torch.conv2d`, in another way where that is faster."""
    steps, pads = _pair(stride), _pair(padding)
    if (
        weight.requires_grad
        and not isinstance(padding, str)
        and _pair(dilation) == (1, 1)
        and input.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    ):
        if is_depthwise(weight, input.shape[1], groups):
            return _Depthwise.apply(input, weight, bias, steps, pads)
        if groups == 1 and is_wide(weight) and _cells(input, weight, steps, pads) <= FEW_CELLS:
            return _AsProducts.apply(input, weight, bias, steps, pads)
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


def _pair(value: Any) -> Pair:
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def may_be_faster(model: nn.Module) -> bool:
    """Whether a network has convolutions that may be faster here."""
    return any(
        is_depthwise(module.weight, module.in_channels, module.groups)
        or (module.groups == 1 and is_wide(module.weight))
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    )


def is_wide(weight: Tensor) -> bool:
    """Whether a weight is one of those that may be multiplied as a matrix."""
    return weight[0, 0].numel() > 1 and weight.numel() >= WIDE


def is_depthwise(weight: Tensor, channels: int, groups: int) -> bool:
    """Whether a weight is a large kernel for each of the channels."""
    return len(weight) == channels == groups and weight[0, 0].numel() >= LARGE


def _cells(x: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> int:
    """Of the output, over the batch."""
    cells = len(x)
    for side, kernel, step, pad in zip(x.shape[2:], weight.shape[2:], stride, padding, strict=True):
        cells *= (side + 2 * pad - kernel) // step + 1
    return cells


class _AsProducts(torch.autograd.Function):
    """A convolution as products of matrices: of the windows below the kernel, row by row."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair
    ) -> Tensor:
        windows = _windows(x, weight.shape[2:], stride, padding)
        matrix = weight.permute(0, 2, 3, 1).flatten(1)
        columns = windows.reshape(-1, matrix.shape[1])
        ctx.save_for_backward(columns, matrix)
        ctx.shapes = (x.shape, weight.shape, windows.shape[:3])
        ctx.settings = (stride, padding)
        cells = columns @ matrix.T if bias is None else torch.addmm(bias, columns, matrix.T)
        return cells.view(*windows.shape[:3], -1).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        columns, matrix = ctx.saved_tensors
        of_input, of_kernel, cells = ctx.shapes
        gradient = gradient.permute(0, 2, 3, 1).reshape(len(columns), -1)
        of_x = of_bias = None
        if ctx.needs_input_grad[0]:
            kernel, channels = of_kernel[2:], of_kernel[1]
            windows = (gradient @ matrix).view(*cells, *kernel, channels)
            of_x = _folded(windows, of_input, *ctx.settings)
        of_weight = (gradient.T @ columns).view(-1, *of_kernel[2:], of_kernel[1])
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=0)
        return of_x, of_weight.permute(0, 3, 1, 2), of_bias, None, None


def _windows(x: Tensor, kernel: Sequence[int], stride: Pair, padding: Pair) -> Tensor:
    """What of x (B, C, H, W) lies below a kernel: (B, h, w, kh, kw, C), a view."""
    rows = F.pad(
        x.permute(0, 2, 3, 1), (0, 0, padding[1], padding[1], padding[0], padding[0])
    ).contiguous()
    windows = rows.unfold(1, kernel[0], stride[0]).unfold(2, kernel[1], stride[1])
    return windows.permute(0, 1, 2, 4, 5, 3)


def _folded(windows: Tensor, size: Sequence[int], stride: Pair, padding: Pair) -> Tensor:
    """The adjoint of `_windows`: what lies at one place of x, added up; of shape `size`."""
    batch, channels, height, width = size
    rows = windows.new_zeros(batch, height + 2 * padding[0], width + 2 * padding[1], channels)
    down, right = windows.shape[3:5]
    places = rows.unfold(1, down, stride[0]).unfold(2, right, stride[1]).permute(0, 1, 2, 4, 5, 3)
    for i in range(down):
        for j in range(right):
            places[:, :, :, i, j] += windows[:, :, :, i, j]
    inside = rows[:, padding[0] : padding[0] + height, padding[1] : padding[1] + width]
    return inside.permute(0, 3, 1, 2)


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution whose weight's gradient is one, too."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = (stride, padding)
        return torch.conv2d(x, weight, bias, stride, padding, 1, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding = ctx.settings
        of_x = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.convolution_backward(
                *(gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), len(weight)),
                (True, False, False),
            )[0]
        batch, channels = x.shape[:2]
        # One image with a channel for each of the batch's, and a kernel as large as the output.
        planes = x.contiguous().view(1, batch * channels, *x.shape[2:])
        kernels = gradient.contiguous().view(batch * channels, 1, *gradient.shape[2:])
        found = torch.conv2d(planes, kernels, None, 1, padding, stride, batch * channels)
        # Where strides leave rows or columns of x over, there are more places than weights.
        found = found[0, :, : weight.shape[2], : weight.shape[3]]
        of_weight = found.unflatten(0, (batch, channels)).sum(dim=0)[:, None]
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=(0, 2, 3))
        return of_x, of_weight, of_bias, None, None
