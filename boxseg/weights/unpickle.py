"""Pickles of numpy arrays and plain containers, and of nothing else.

A pickle is a program: it may name any function there is and call it. Here it may name only what
builds arrays and containers; anything else is refused before it is called.
"""

from __future__ import annotations

import collections
import importlib
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np


class RefusedPickleError(Exception):
    """The pickle names something that is neither an array nor a plain container.

    Attributes:
        name: of what it names, with its module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _as_bytes(text: str, encoding: str) -> bytes:
    """What protocol 2 writes for bytes; no other encoding has a place in it."""
    if encoding != "latin1":
        raise RefusedPickleError(f"encoding {encoding}")
    return text.encode("latin1")


_MULTIARRAY: Any = importlib.import_module("numpy._core.multiarray")
_NUMERIC: Any = importlib.import_module("numpy._core.numeric")

ARRAYS: dict[str, Callable[..., Any]] = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "numpy._core.multiarray._reconstruct": _MULTIARRAY._reconstruct,
    "numpy._core.multiarray.scalar": _MULTIARRAY.scalar,
    "numpy._core.numeric._frombuffer": _NUMERIC._frombuffer,
    # Their places before NumPy 2.
    "numpy.core.multiarray._reconstruct": _MULTIARRAY._reconstruct,
    "numpy.core.multiarray.scalar": _MULTIARRAY.scalar,
    "numpy.core.numeric._frombuffer": _NUMERIC._frombuffer,
}
"""What builds an array when it is unpickled, by the names that NumPy 1 and 2 write."""

CONTAINERS: dict[str, Callable[..., Any]] = {
    "_codecs.encode": _as_bytes,
    "builtins.bytearray": bytearray,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "__builtin__.set": set,  # Python 2
    "__builtin__.frozenset": frozenset,
    "__builtin__.bytearray": bytearray,
    "collections.OrderedDict": collections.OrderedDict,
}


class PlainUnpickler(pickle.Unpickler):
    """Reads numbers, text, containers and numpy arrays, of every protocol; text as Latin-1.

    Text of Python 2 stands for bytes too, which is what its arrays consist of.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Look up what the pickle names.

        Raises:
            RefusedPickleError: it builds neither arrays nor containers.
        """
        name = f"{module_name}.{global_name}"
        known = ARRAYS | CONTAINERS
        if name not in known:
            raise RefusedPickleError(name)
        return known[name]
