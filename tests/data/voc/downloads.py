"""Small downloads in VOC's and SBD's layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix

from boxseg.data.voc.devkit import CLASSES

Box = tuple[float, float, float, float]
HEIGHT, WIDTH = 30, 40


def save_labels(file: Path, labels: np.ndarray) -> None:
    """A palette PNG, as VOC's are."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels.astype(np.uint8), mode="P")
    picture.putpalette([k for value in range(256) for k in (value, 255 - value, 0)])
    picture.save(file)


def save_photograph(file: Path, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (shape[1], shape[0])).save(file)


def object_xml(name: str, corners: Sequence[object], difficult: int = 0) -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    return (
        f"<object><name>{name}</name><difficult>{difficult}</difficult>"
        f"<bndbox>{box}</bndbox>{part}</object>"
    )


def save_xml(file: Path, objects: Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"<annotation><size/>{''.join(objects)}</annotation>")


class Voc:
    """A year of VOC below `root`/VOCdevkit, to which images are added one by one."""

    def __init__(self, root: Path, year: int = 2012) -> None:
        self.folder = root / "VOCdevkit" / f"VOC{year}"

    def add(
        self,
        name: str,
        image_set: str,
        objects: Sequence[str],
        labels: np.ndarray | None = None,
        classes: np.ndarray | None = None,
    ) -> None:
        """An image of a set such as "Segmentation/val", with its XML and label images."""
        list_file = self.folder / "ImageSets" / f"{image_set}.txt"
        list_file.parent.mkdir(parents=True, exist_ok=True)
        with list_file.open("a") as lines:
            lines.write(f"{name}\n")
        save_photograph(self.folder / "JPEGImages" / f"{name}.jpg")
        save_xml(self.folder / "Annotations" / f"{name}.xml", objects)
        if labels is not None:
            save_labels(self.folder / "SegmentationObject" / f"{name}.png", labels)
        if classes is not None:
            save_labels(self.folder / "SegmentationClass" / f"{name}.png", classes)


class Sbd:
    """SBD as it is unpacked, below `root`/benchmark_RELEASE/dataset."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "benchmark_RELEASE" / "dataset"

    def add(self, name: str, image_set: str, labels: np.ndarray, categories: list[int]) -> None:
        """An image of "train" or "val"."""
        (self.folder / "inst").mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{image_set}.txt").open("a") as lines:
            lines.write(f"{name}\n")
        save_photograph(self.folder / "img" / f"{name}.jpg", (labels.shape[0], labels.shape[1]))
        save_sbd(self.folder / "inst" / f"{name}.mat", labels, categories)


def save_sbd(file: Path, labels: np.ndarray, categories: list[int]) -> None:
    """GTinst as SBD has it: labels, a sparse boundary for each object, a column of classes."""
    boundaries: Any = np.empty((len(categories), 1), dtype=object)
    for k in range(len(categories)):
        boundaries[k, 0] = csc_matrix((labels == k + 1).astype(float))
    savemat(
        file,
        {
            "GTinst": {
                "Segmentation": labels.astype(np.uint8),
                "Boundaries": boundaries,
                "Categories": np.array(categories, dtype=np.uint8).reshape(-1, 1),
            }
        },
        do_compression=True,
    )


def rectangle(labels: np.ndarray, value: int, corners: tuple[int, int, int, int]) -> None:
    """Set the pixels from the first to the last of VOC's corners, which count from 1."""
    xmin, ymin, xmax, ymax = corners
    labels[ymin - 1 : ymax, xmin - 1 : xmax] = value


def number_of(name: str) -> int:
    """VOC's number of a class."""
    return CLASSES.index(name) + 1


def blank_sbd(folder: Path) -> None:
    """SBD's folder with an image in each set and no annotations."""
    (folder / "inst").mkdir(parents=True)
    (folder / "train.txt").write_text("2008_000002\n")
    (folder / "val.txt").write_text("2008_000007\n")
