"""Counts the operations of a training step that wait for the device and read from it.

On a GPU each of them stops the host until everything queued is done. They are the same operations
on a CPU, where they cost nothing, so a test can count them there.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

READING = frozenset(
    {
        "_local_scalar_dense",
        "_unique",
        "_unique2",
        "bincount",
        "equal",
        "is_nonzero",
        "masked_select",
        "nms",
        "nonzero",
        "repeat_interleave",
        "unique_consecutive",
        "unique_dim",
        "unique_dim_consecutive",
    }
)
"""Operators whose result, or the size of it, is known once the device has computed it."""

INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"})
"""Operators that count what a boolean index chooses."""

TO_HOST: frozenset[Any] = frozenset(
    {Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.__array__, Tensor.__contains__}
)
"""Methods that copy to the host; on a CPU no operator is run for them."""


class ReadBacks:
    """Counts read-backs while it is entered, by operator and the line of the project that did it.

    Boolean indices count once for each indexing. Copies to the host count where `tolist`, `numpy`,
    `cpu` or an array of the tensor is asked for; of a tensor that was never on a device they would
    be free, so what is drawn or loaded on the host should not go through tensors at all.

    Attributes:
        counts: by (operator, "file:line").
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._modes = (_Operators(self._found), _Methods(self._found))

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        lines = [
            f"{count:5d} {name} at {place}" for (name, place), count in self.counts.most_common()
        ]
        return "\n".join([f"{self.total} read-backs", *lines])

    def _found(self, name: str) -> None:
        self.counts[name, _place_in_project(sys._getframe(2))] += 1

    def __enter__(self) -> ReadBacks:
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(kind, error, trace)


class _Operators(TorchDispatchMode):
    def __init__(self, found: Callable[[str], None]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, keywords = func.overloadpacket.__name__, dict(kwargs or {})
        sized = keywords.get("output_size") is not None  # of repeat_interleave, told beforehand
        if (name in READING and not sized) or (name in INDEXING and _has_boolean(args[1])):
            self.found(name)
        return func(*args, **keywords)


class _Methods(TorchFunctionMode):
    def __init__(self, found: Callable[[str], None]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in TO_HOST:
            self.found(func.__name__)
        return func(*args, **(kwargs or {}))


def _has_boolean(indices: Sequence[Tensor | None]) -> bool:
    return any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in indices)


def _place_in_project(frame: FrameType | None) -> str:
    """File and line of the innermost caller that is neither a library nor this file."""
    while frame is not None:
        file = frame.f_code.co_filename
        if "site-packages" not in file and file != __file__ and not file.startswith("<"):
            return f"{'/'.join(file.rsplit('/', 2)[-2:])}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"
