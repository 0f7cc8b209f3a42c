"""Boxes to be given masks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from boxseg.data.dataset import Dataset


@pytest.fixture
def folder(scenes: Dataset, tmp_path: Path) -> Path:
    """Four scenes with their boxes; annotation 1 has its mask, and annotation 2 is a crowd."""
    split = scenes.split("val")
    content = json.loads(split.annotations.read_text())
    content["images"] = content["images"][:4]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    content["info"] = {"said": "by somebody"}
    for number, annotation in enumerate(content["annotations"]):
        if number != 0:
            del annotation["segmentation"]
        annotation["iscrowd"] = int(number == 1)
    root = tmp_path / "own"
    (root / "annotations").mkdir(parents=True)
    (root / "annotations" / "instances_all.json").write_text(json.dumps(content))
    (root / "all").mkdir()
    for image in content["images"]:
        shutil.copy(split.images / image["file_name"], root / "all")
    return root
