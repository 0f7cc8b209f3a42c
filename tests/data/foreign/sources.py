"""Small folders as other tools write them, and what an import makes of them."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from boxseg.data.check import check_split
from boxseg.data.coco_folder import coco_folder
from boxseg.data.foreign.importing import Import, import_folder
from boxseg.data.split_agreement import disagreements

ORIENTATION = 0x0112
SIZE = (16, 12)


def picture(file: Path, size: tuple[int, int] = SIZE, orientation: int = 1) -> Path:
    """A picture of a colour of its own; `size` is that of the stored pixels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, zlib.crc32(os.fsencode(file)) & 0xFFFFFF)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image.save(file, exif=exif)
    return file


def write(file: Path, content: Any, encoding: str = "utf-8") -> Path:
    """Text, or anything else as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding=encoding)
    return file


def voc_xml(name: str, objects: str = "", size: tuple[int, int] = SIZE, extra: str = "") -> str:
    return (
        f"<annotation><filename>{name}</filename>{extra}<size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size>{objects}</annotation>"
    )


def voc_object(name: str, *corners: float, extra: str = "") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name><bndbox>{box}</bndbox>{extra}</object>"


def labelme(name: str, *shapes: Mapping[str, Any], size: tuple[int, int] = SIZE) -> dict[str, Any]:
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": name,
        "imageData": None,
        "imageWidth": size[0],
        "imageHeight": size[1],
    }


def shape(label: Any, points: list[list[float]], kind: str = "rectangle", **more: Any) -> Any:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, **more}


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        outcome: its report.
        splits: of each split, of each picture by its name, its objects as (class, box, polygons).
        sizes: width and height of each picture by its name.
    """

    outcome: Import
    splits: dict[str, dict[str, list[tuple[str, list[float], Any]]]]
    sizes: dict[str, tuple[int, int]]

    @property
    def pictures(self) -> dict[str, list[tuple[str, list[float], Any]]]:
        """Those of all splits."""
        return {name: things for split in self.splits.values() for name, things in split.items()}

    @property
    def told(self) -> str:
        """Everything that is printed."""
        return "\n".join((*self.outcome.lines, *self.outcome.complaints))


def imported(folder: Path, out: Path, **settings: Any) -> Imported:
    """Import a folder, and see that the result is sound and its pictures those of the source."""
    outcome = import_folder(folder, out, **settings)
    dataset = coco_folder(out)
    checks = [check_split(split) for split in dataset.splits.values()]
    assert [d.sentence() for check in checks for d in check.defects] == []
    assert list(disagreements(dataset, checks)) == []
    splits: dict[str, Any] = {}
    sizes = {}
    for split in dataset.splits.values():
        document = json.loads(split.annotations.read_text())
        names = {entry["id"]: entry["name"] for entry in document["categories"]}
        files = {entry["id"]: entry["file_name"] for entry in document["images"]}
        found: dict[str, Any] = {name: [] for name in files.values()}
        for entry in document["annotations"]:
            found[files[entry["image_id"]]].append(
                (names[entry["category_id"]], entry["bbox"], entry.get("segmentation"))
            )
        splits[split.name] = found
        sizes |= {e["file_name"]: (e["width"], e["height"]) for e in document["images"]}
        present = {p.relative_to(split.images).as_posix() for p in split.images.rglob("*.*")}
        assert present == set(found)
    return Imported(outcome, splits, sizes)
