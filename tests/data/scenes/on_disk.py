"""Small generated datasets, and what is in their folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

from boxseg.data.dataset import Dataset, Split
from boxseg.data.scenes import scenes_dataset

SIZE = 64


def small(root: Path, family: str, train_images: int = 4) -> Dataset:
    return scenes_dataset(root, family, SIZE, train_images, 2, 2, seed=7)


def folder_of(split: Split) -> Path:
    return split.images.parent


def listing(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
