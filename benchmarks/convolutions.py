"""A step's convolutions and products of matrices alone, as which some convolutions are computed.

No step of the same network can be faster while they are done in these ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

FORWARD = torch.ops.aten.convolution.default
BACKWARD = torch.ops.aten.convolution_backward.default
GROUPS = {FORWARD: 8, BACKWARD: 9}
"""Position of the argument."""

PRODUCTS = {
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten.baddbmm.default,
}

COLOURS = 3


class ConvolutionRecorder(TorchDispatchMode):
    """Remembers every convolution and product that is done while it is entered, both ways.

    Convolutions of each colour by itself are left out: they blur images, and no network has any.

    Attributes:
        calls: the operator and its arguments, by place and by name, tensors replaced by random
            ones of the same shape, strides, type and device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, list[Any], Mapping[str, Any]]] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in PRODUCTS or (func in GROUPS and args[GROUPS[func]] != COLOURS):
            self.calls.append((func, [_alike(x) for x in args], kwargs or {}))
        return func(*args, **(kwargs or {}))

    def replay(self) -> None:
        """Do them all again."""
        for operator, arguments, settings in self.calls:
            operator(*arguments, **settings)


def _alike(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    strides = value.contiguous().stride() if 0 in value.stride() else value.stride()
    return torch.empty_strided(
        value.shape, strides, dtype=value.dtype, device=value.device
    ).normal_()
