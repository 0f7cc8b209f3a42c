"""What the host has to know of tensors on a device, brought there in one copy.

Every copy makes the host wait until a GPU has done all that was queued, so a training step should
ask for as few as it can, whatever the number of images and objects.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

NUMPY_TYPES = {
    torch.bool: np.bool_,
    torch.uint8: np.uint8,
    torch.int32: np.int32,
    torch.int64: np.int64,
    torch.float32: np.float32,
    torch.float64: np.float64,
}


def to_host(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Arrays of the tensors' values, each with memory of its own; one copy for all of them.

    Args:
        tensors: on one device, of any shapes and of the types above; not modified.
    """
    if not tensors:
        return []
    flat = [tensor.detach().reshape(-1) for tensor in tensors]
    types = list(dict.fromkeys(tensor.dtype for tensor in tensors))
    alike = [torch.cat([values for values in flat if values.dtype == kind]) for kind in types]
    copied = on_host(torch.cat([values.view(torch.uint8) for values in alike]).cpu())
    parts = np.split(copied, np.cumsum([values.nbytes for values in alike])[:-1])
    left: dict[torch.dtype, np.ndarray] = {
        kind: part.view(NUMPY_TYPES[kind]) for kind, part in zip(types, parts, strict=True)
    }
    arrays = []
    for tensor in tensors:
        values = left[tensor.dtype]
        arrays.append(values[: tensor.numel()].copy().reshape(tensor.shape))
        left[tensor.dtype] = values[tensor.numel() :]
    return arrays


def on_host(tensor: Tensor) -> np.ndarray:
    """The values of a tensor that is on the CPU already, without a copy.

    The protocol of exchange refuses a tensor of another device, so that nothing can wait for one.

    Raises:
        BufferError: the tensor is elsewhere.
    """
    return np.from_dlpack(tensor)


def index_on(device: torch.device, places: Sequence[int] | np.ndarray) -> Tensor:
    """An index chosen on the host: int64 (n,) on a device, which the host does not wait for."""
    return torch.from_numpy(np.asarray(places, dtype=np.int64)).to(device, non_blocking=True)
