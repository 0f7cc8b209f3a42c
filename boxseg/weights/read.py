"""Published files of weights, in all the formats that they come in, as names and tensors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from boxseg.errors import InputError
from boxseg.weights.unpickle import ARRAYS, PlainUnpickler, RefusedPickleError

_ZIP = b"PK\x03\x04"
_TORCH_LEGACY = 0x1950A86A20F9469CFC6C
"""The first object of a file that `torch.save` wrote before it took to zip archives."""

_OTHER_NETWORKS = ("torchvision",)
"""Authors, in Detectron2's format, of backbones that stride in another convolution."""


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a published file, by their published names.

    The file is one of PyTorch's (`.pth`, either format) or a plain pickle of numpy arrays (`.pkl`);
    its content tells which. The tensors may lie under `model` (Detectron2, AdelaiDet) or `blobs`
    (Detectron), beside an optimiser's and a trainer's state, which are left alone.

    Raises:
        InputError: the file is missing or damaged, would have to run code to be read, or holds
            something other than finite tensors and arrays by name.
    """
    if not file.is_file():
        raise InputError(f"there is no file {file}; check the path.")
    content = _loaded(file)
    if isinstance(content, dict):
        if content.get("__author__") in _OTHER_NETWORKS:
            raise InputError(
                f"{file} holds a backbone of {content['__author__']}'s, whose strides lie in other "
                "convolutions and whose input is scaled otherwise; use the MSRA one."
            )
        for key in ("model", "blobs"):
            if isinstance(content.get(key), dict):
                content = content[key]
    if not isinstance(content, dict) or not content:
        raise InputError(f"{file} holds no tensors by name; use a published checkpoint.")
    return {
        str(name): _tensor(value, str(name), file)
        for name, value in content.items()
        if not str(name).endswith("_momentum")  # of Detectron's optimiser
    }


def _loaded(file: Path) -> Any:
    """Everything in the file."""
    try:
        with file.open("rb") as stream:
            if stream.read(len(_ZIP)) != _ZIP:
                stream.seek(0)
                first = PlainUnpickler(stream).load()
                if first != _TORCH_LEGACY:
                    return first
        return _torch_loaded(file)
    except RefusedPickleError as refused:
        raise InputError(
            f"{file} asks for {refused.name} to be read, which is no tensor, array or plain "
            "container and may run code; nothing of it was run: do not use the file."
        ) from None
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything
        raise InputError(
            f"{file} cannot be read ({type(error).__name__}: it is truncated, or no file of "
            "PyTorch's or of pickled arrays); download it again."
        ) from None


def _torch_loaded(file: Path) -> Any:
    types = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    allowed = [(build, name) for name, build in ARRAYS.items()]
    try:
        with torch.serialization.safe_globals([*allowed, *types]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        if refused:
            raise RefusedPickleError(refused[1]) from None
        raise


def _tensor(value: Any, name: str, file: Path) -> Tensor:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
        array = np.asarray(value)
        value = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    elif type(value) in (int, float):
        value = torch.tensor(value)
    if not isinstance(value, Tensor):
        raise InputError(
            f"{name} in {file} is neither a tensor nor an array of numbers but a "
            f"{type(value).__name__}; use a published checkpoint."
        )
    if not value.isfinite().all():
        raise InputError(
            f"{name} in {file} holds a value that is no finite number; use another checkpoint."
        )
    return value.detach()
