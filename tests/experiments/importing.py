"""Importing tensors by the command line."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor

from tests.experiments.command_line import Outcome, boxseg


def written(file: Path, tensors: OrderedDict[str, Tensor]) -> Path:
    """A checkpoint as Detectron2's trainer writes it."""
    torch.save({"model": tensors, "iteration": 89_999, "optimizer": {"lr": 0.1}}, file)
    return file


def imported(tensors: OrderedDict[str, Tensor], folder: Path, *words: object) -> Outcome:
    """Import tensors from folder/a.pth to folder/a.pt."""
    file = written(folder / "a.pth", tensors)
    return boxseg("weights", "import", file, "--to", folder / "a.pt", *words)
