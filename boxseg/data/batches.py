"""The way of a batch from the loader to the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from detectron2.structures import BitMasks, Boxes, Instances
from torch import Tensor

Item = dict[str, Any]
"""One image with what belongs to it, as a mapper gives it."""


class Batch(list[Item]):
    """Images that train together; PyTorch's loader calls `pin_memory` where it is told to."""

    def pin_memory(self) -> Batch:
        """The same in page-locked memory, from which a GPU copies while the host goes on."""
        return Batch(_with_tensors(item, Tensor.pin_memory) for item in self)

    def share_memory(self) -> Batch:
        """The same in memory that processes share.

        A loader's process would do so by itself while it hands the batch on, but in a thread of
        its own: what goes wrong there, for want of shared memory, would be lost and the batch
        waited for in vain.
        """
        return Batch(_with_tensors(item, Tensor.share_memory_) for item in self)


def on_device(batch: Sequence[Item], device: torch.device) -> list[Item]:
    """The batch with all its tensors on the device; tensors that are there already are not copied.

    From page-locked memory the copies are queued and not waited for. Pixels move as the bytes they
    are and become floats on the device.
    """
    return [_with_tensors(item, lambda t: t.to(device, non_blocking=True)) for item in batch]


def _with_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A copy with every tensor changed, also those inside of Detectron2's structures."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Boxes | BitMasks):
        return type(value)(change(value.tensor))
    if isinstance(value, Instances):
        fields = {n: _with_tensors(field, change) for n, field in value.get_fields().items()}
        return Instances(value.image_size, **fields)
    if isinstance(value, dict):
        return {key: _with_tensors(one, change) for key, one in value.items()}
    return value
