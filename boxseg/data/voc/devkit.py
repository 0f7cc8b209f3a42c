"""Reading a VOCdevkit: image sets, and the objects of an image from its XML."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from boxseg.errors import InputError

CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""VOC's classes; class k of its label images and of SBD is CLASSES[k - 1]."""

_NAME = re.compile(r"(?:[0-9]{4}_)?[0-9]{6}")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class VocObject:
    """One object of an image's XML.

    Attributes:
        category: 1 to 20, see `CLASSES`.
        corners: xmin, ymin, xmax, ymax of the first and last pixel, counted from 1.
        difficult: VOC's detection task neither counts it nor a detection of it.
    """

    category: int
    corners: tuple[float, float, float, float]
    difficult: bool


def devkit_folder(root: Path, year: int) -> Path | None:
    """The folder of a year's VOC at or below `root`: VOCdevkit/VOC<year>, VOC<year>, or itself."""
    for folder in (root / "VOCdevkit" / f"VOC{year}", root / f"VOC{year}"):
        if folder.is_dir():
            return folder
    itself = root.name == f"VOC{year}" and (root / "JPEGImages").is_dir()
    return root if itself else None


def read_image_set(file: Path) -> list[str]:
    """Names of images, sorted; a second column, as in the sets of one class, is not looked at.

    Raises:
        InputError: the file cannot be read, lists no image or one twice.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"cannot read the image set {file}: {reason}; restore it.") from None
    names = sorted(line.split()[0] for line in lines if line.strip())
    if not names:
        raise InputError(f"the image set {file} lists no image; restore it.")
    for before, after in itertools.pairwise(names):
        if before == after:
            raise InputError(f"the image set {file} lists {after} twice; restore it.")
    return names


def image_ids(names: list[str]) -> dict[str, int]:
    """A number for each image: 2008_000002 is 2008000002 and 000012 is 12.

    Where the names of a set are not all of VOC's form, they are numbered from 1 in their order.
    """
    digits = {name: name.replace("_", "") for name in names if _NAME.fullmatch(name)}
    if len(digits) == len(names) == len({int(number) for number in digits.values()}):
        return {name: int(number) for name, number in digits.items()}
    return {name: number for number, name in enumerate(names, start=1)}


def read_objects(file: Path) -> list[VocObject]:
    """The objects of an image, in the order of its XML.

    Raises:
        InputError: the file cannot be read, is not XML of that form, or has an unknown class.
    """
    try:
        annotation = ElementTree.parse(file).getroot()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}; restore it.") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{file} is not valid XML ({error}); restore it.") from None
    return [
        _object(element, f"object {number} in {file}")
        for number, element in enumerate(annotation.findall("object"), start=1)
    ]


def _object(element: ElementTree.Element, where: str) -> VocObject:
    name = (element.findtext("name") or "").strip()
    if name not in CLASSES:
        raise InputError(
            f"{where} has the class {name!r}, which is none of VOC's 20; correct it, or convert "
            "the data to COCO's format and use dataset=coco-folder."
        )
    texts = [element.findtext(f"bndbox/{side}") or "" for side in _SIDES]
    try:
        corners = [float(text) for text in texts]
    except ValueError:
        corners = [math.nan]
    if not all(map(math.isfinite, corners)) or corners[2] < corners[0] or corners[3] < corners[1]:
        raise InputError(
            f"{where} has the box {', '.join(map(repr, texts))} (xmin, ymin, xmax, ymax), which is "
            "none; correct it."
        )
    difficult = (element.findtext("difficult") or "").strip() == "1"
    return VocObject(
        CLASSES.index(name) + 1, (corners[0], corners[1], corners[2], corners[3]), difficult
    )
