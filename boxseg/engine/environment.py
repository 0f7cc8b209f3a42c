"""Where and with what a run was made, for its record."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from boxseg.engine.precision import convolution_arithmetic

SOURCE = Path(__file__).resolve().parents[2]
CODE = ("boxseg", "baselines", "experiments", "reports", "pyproject.toml", "requirements")


def cpu_name() -> str:
    """The processor's model name and the number of cores this process may use."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores"


def installed(package: str) -> str:
    """Version of an installed distribution."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def describe_environment(device: torch.device, precision: torch.dtype) -> dict[str, Any]:
    """Versions, machine and arithmetic; the host is named by its processor, not by its name."""
    import detectron2

    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": installed("torchvision"),
        "detectron2": detectron2.__version__,
        "numpy": installed("numpy"),
        "pycocotools": installed("pycocotools"),
        "boxseg": installed("boxseg"),
        "device": accelerator,
        "host": cpu_name(),
        "threads": torch.get_num_threads(),
        "precision": str(precision).removeprefix("torch."),
        "convolutions": convolution_arithmetic(precision, device),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(SOURCE), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def describe_code() -> dict[str, Any]:
    """The commit the code is at ("unknown" outside its repository), and changes since."""
    commit = _git("rev-parse", "HEAD")
    if commit is None or _git("rev-parse", "--show-toplevel") != str(SOURCE):
        return {"commit": "unknown", "dirty": False}
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", *CODE)
    return {"commit": commit, "dirty": bool(changes)}
