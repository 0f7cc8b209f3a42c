"""What lies in folders of boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def boxes_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "annotations/instances_all.json").read_text())
    return content


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
