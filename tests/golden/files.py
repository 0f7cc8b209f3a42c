"""The golden files: where they are, and what is in them."""

from __future__ import annotations

import ast
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from detectron2.structures import BitMasks, Boxes, Instances
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("BOXSEG_GOLDEN", ROOT.parent / "shared" / "golden" / "dev"))


def files(name: str) -> list[Path]:
    """The golden files of a name, whatever their variant."""
    return sorted(FOLDER.glob(f"{name}*.npz"))


def needs(*groups: list[Path]) -> pytest.MarkDecorator:
    """Skips tests where a group of files is missing."""
    return pytest.mark.skipif(
        not all(groups), reason=f"no golden files in {FOLDER}; set BOXSEG_GOLDEN to their folder"
    )


def each(paths: list[Path]) -> list[Any]:
    """Parameters of a test that runs once for every file."""
    return [pytest.param(file, id=file.stem) for file in paths]


def each_case(paths: list[Path]) -> list[Any]:
    """Parameters (file, case) of a test that runs once for every case of the files."""
    return [
        pytest.param(file, name, id=f"{file.stem}-{name}")
        for file in paths
        for name in Golden.load(file).meta["cases"]
    ]


def each_piece(paths: list[Path], prefix: str, suffix: str) -> list[Any]:
    """Parameters (file, piece): what the arrays' names have between a prefix and a suffix."""
    return [
        pytest.param(file, piece, id=f"{file.stem}-{prefix}{piece}")
        for file in paths
        for piece in Golden.load(file).pieces(prefix, suffix)
    ]


@dataclass(frozen=True)
class Golden:
    """One golden file: its arrays and its sidecar."""

    arrays: Any
    meta: dict[str, Any]

    @staticmethod
    def load(file: Path) -> Golden:
        """A file; sections of the configuration that it does not print are those of cases 2 and 3.

        All cases share them.
        """
        meta = json.loads(file.with_suffix(".json").read_text())
        config: dict[str, str] = {}
        for name in ("case2_boxinst", "case3_boxteacher"):
            for other in sorted(file.parent.glob(f"{name}*.json"))[:1]:
                config |= json.loads(other.read_text())["config"]
        return Golden(np.load(file), meta | {"config": config | meta.get("config", {})})

    def setting(self, name: str) -> Any:
        """A value of the configuration that stands in no section."""
        value = self.meta["config"][name]
        return ast.literal_eval(value) if isinstance(value, str) else value

    def section(self, name: str, overrides: dict[str, Any]) -> dict[str, Any]:
        """A section of the printed configuration, with a case's overrides."""
        section = yaml.safe_load(self.meta["config"][name])
        for key, value in overrides.items():
            parts = key.split("__")
            if parts[1] == name:
                target = section
                for part in parts[2:-1]:
                    target = target[part]
                target[parts[-1]] = value
        return section

    def case(self, name: str) -> tuple[dict[str, Any], int]:
        """A case's configuration overrides and the iteration counter before the forward."""
        value = ast.literal_eval(self.meta["cases"][name])
        return (value, 0) if isinstance(value, dict) else (value[0], value[1])

    def told(self, text: str, pattern: str) -> str:
        """What a text of the sidecar says in the group of a pattern."""
        found = re.search(pattern, json.dumps(self.meta[text]))
        assert found, f"the sidecar's {text} does not say {pattern}"
        return found[1]

    def pieces(self, prefix: str, suffix: str) -> list[str]:
        """What the arrays' names have between a prefix and a suffix."""
        return [
            name.removeprefix(prefix).removesuffix(suffix)
            for name in self.arrays.files
            if name.startswith(prefix) and name.endswith(suffix)
        ]

    def tensor(self, name: str) -> Tensor:
        """An array as a tensor."""
        return torch.from_numpy(self.arrays[name])

    def bits(self, name: str, width: int) -> Tensor:
        """Packed masks: bool (..., width)."""
        bits = np.unpackbits(self.arrays[name], axis=-1)[..., :width]
        return torch.from_numpy(bits.astype(bool))

    def losses(self, case: str) -> dict[str, float]:
        """A case's losses, by name."""
        names = self.pieces(f"{case}_loss_", "")
        return {f"loss_{name}": float(self.arrays[f"{case}_loss_{name}"]) for name in names}

    def objects(self, prefix: str, size: tuple[int, int]) -> Instances:
        """The objects of an image of this size."""
        objects = Instances(size)
        objects.gt_boxes = Boxes(self.tensor(f"{prefix}_boxes"))
        objects.gt_classes = self.tensor(f"{prefix}_classes").long()
        return objects

    def inputs(self, with_masks: bool = False, objects: str = "in") -> list[dict[str, Any]]:
        """The images of the file, in the model's input format.

        Args:
            with_masks: give the objects their true masks.
            objects: prefix of the arrays that the objects are taken from.
        """
        inputs: list[dict[str, Any]] = []
        while f"in{len(inputs)}_image" in self.arrays:
            index = len(inputs)
            image = self.tensor(f"in{index}_image")
            instances = self.objects(f"{objects}{index}", (image.shape[1], image.shape[2]))
            if with_masks:
                instances.gt_masks = BitMasks(self.bits(f"in{index}_masks_packed", image.shape[2]))
            height, width = self.arrays[f"in{index}_hw_orig"].tolist()
            inputs.append(
                {"image": image, "height": height, "width": width, "instances": instances}
            )
        return inputs
