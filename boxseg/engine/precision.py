"""Which arithmetic a run uses, decided by what the device is fast at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch

from boxseg.errors import InputError

PRECISIONS = ("auto", "float32", "bfloat16")


def cpu_has_fast_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16 (AVX512-BF16 or AMX) rather than emulating it."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return False
    flags = next((line for line in cpuinfo.read_text().splitlines() if "flags" in line), "")
    return "avx512_bf16" in flags or "amx_bf16" in flags


def chosen_precision(precision: str, device: torch.device) -> torch.dtype:
    """The type that convolutions run in.

    Args:
        precision: "float32", "bfloat16", or "auto" for bfloat16 where it is fast.
        device: of the model.

    Raises:
        InputError: `precision` is none of these.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}.")
    if precision == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_has_fast_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    return torch.float32 if precision == "float32" else torch.bfloat16


def use_published_arithmetic() -> None:
    """What float32 means on a GPU: convolutions in TF32, matrix products in float32.

    The published code was run so, by PyTorch's defaults, and convolutions are several times as
    fast. A CPU, or a GPU older than TF32, computes both in float32.
    """
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = False


@contextlib.contextmanager
def denormal_numbers_as_zero() -> Iterator[None]:
    """Let the CPU take numbers below 1e-38 for 0 in the block.

    Far from an object a trained mask's probabilities, their products and their gradients are that
    small. An Intel processor needs some 150 cycles for every such number, a sixth of a training
    step at mini scale; a GPU has no such cost. It holds for this thread, and for those that PyTorch
    starts meanwhile, which keep it: a block should begin before anything is computed.
    """
    before = bool(torch.tensor(1e-30) * 1e-10 == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def convolution_arithmetic(dtype: torch.dtype, device: torch.device) -> str:
    """The type that the network's convolutions multiply in, for the record.

    Args:
        dtype: see `chosen_precision`.
        device: of the model.
    """
    if dtype == torch.float32 and device.type == "cuda" and torch.backends.cudnn.allow_tf32:
        ampere_or_later = torch.cuda.get_device_capability(device) >= (8, 0)
        return "tf32" if ampere_or_later else "float32"
    return str(dtype).removeprefix("torch.")


def autocast(dtype: torch.dtype, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Autocast to `dtype`, or nothing for float32. Losses leave it and compute in float32."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=dtype)
