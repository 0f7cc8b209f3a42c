"""The device that a run computes on."""

from __future__ import annotations

import torch

from boxseg.engine.precision import use_published_arithmetic
from boxseg.errors import InputError


def chosen_device(name: str) -> torch.device:
    """The device called `name`, its arithmetic chosen; "auto" is the first GPU, or the CPU.

    Raises:
        InputError: there is no such device.
    """
    use_published_arithmetic()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device={name} cannot be used: {reason}.") from None
    return device
