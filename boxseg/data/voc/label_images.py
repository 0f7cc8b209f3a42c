"""Instance masks from label images: VOC's palette PNGs and SBD's .mat files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as run_length
from scipy.io import loadmat

from boxseg.data.voc.devkit import CLASSES
from boxseg.errors import InputError

VOID = 255
"""The label of pixels of no known class: the borders of objects, and what nobody could name."""


@dataclass(frozen=True)
class Instance:
    """One labelled object of an image.

    Attributes:
        label: its value in the label image, from 1.
        category: 1 to 20; None where no class image says it.
        segmentation: COCO's compressed run-length encoding of its pixels, none of them void.
        area: in pixels, at least 1.
        bounds: [x, y, width, height] of its pixels in COCO's coordinates.
    """

    label: int
    category: int | None
    segmentation: dict[str, object]
    area: int
    bounds: list[float]


def read_label_image(file: Path) -> np.ndarray:
    """A palette or greyscale PNG of labels: uint8 (H, W).

    Raises:
        InputError: the file cannot be read, or has colours instead of labels.
    """
    try:
        with Image.open(file) as picture:
            mode, labels = picture.mode, np.asarray(picture)
    except FileNotFoundError:
        raise InputError(f"{file} does not exist; restore it.") from None
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything
        reason = type(error).__name__
        raise InputError(f"{file} cannot be read as an image ({reason}); restore it.") from None
    if mode not in ("P", "L"):
        raise InputError(
            f"{file} has colours (mode {mode}) where VOC has a palette image, whose values are the "
            "labels; restore the original."
        )
    return labels


def voc_instances(objects: Path, classes: Path) -> tuple[list[Instance], tuple[int, int]]:
    """The instances of a VOC image, and its (width, height).

    Args:
        objects: SegmentationObject's PNG: an object's number at each of its pixels, 0 or 255 else.
        classes: SegmentationClass' PNG, which need not exist: the class at each pixel.

    Raises:
        InputError: a PNG cannot be read, or the two differ in size.
    """
    labels = read_label_image(objects)
    class_image = read_label_image(classes) if classes.exists() else None
    if class_image is not None and class_image.shape != labels.shape:
        raise InputError(
            f"{classes} and {objects} are {class_image.shape[1]} x {class_image.shape[0]} and "
            f"{labels.shape[1]} x {labels.shape[0]} pixels; restore the one that is wrong."
        )
    categories: dict[int, int] = {}
    if class_image is not None:
        known = (class_image > 0) & (class_image <= len(CLASSES)) & _labelled(labels)
        votes = np.zeros((256, len(CLASSES) + 1), dtype=np.int64)
        np.add.at(votes, (labels[known], class_image[known]), 1)
        categories = {int(k): int(votes[k].argmax()) for k in np.flatnonzero(votes.any(axis=1))}
    return _instances(labels, categories), (labels.shape[1], labels.shape[0])


def sbd_instances(file: Path) -> tuple[list[Instance], tuple[int, int]]:
    """The instances of an image of SBD, and its (width, height).

    `GTinst` of the .mat is a structure of Segmentation (H, W), an object's number at each of its
    pixels; Boundaries, which is not read; and Categories, the class of object k at k - 1.

    Raises:
        InputError: the file cannot be read or is not of that form.
    """
    if not file.is_file():
        raise InputError(f"{file} does not exist; restore it from SBD's inst folder.")
    try:
        structure = loadmat(file, variable_names=["GTinst"])["GTinst"].reshape(-1)[0]
        labels = np.asarray(structure["Segmentation"])
        classes = np.asarray(structure["Categories"]).reshape(-1).astype(np.int64)
    except Exception as error:  # noqa: BLE001 - scipy raises anything on damaged files
        raise InputError(
            f"{file} has no GTinst as SBD's inst files have ({type(error).__name__}); restore it."
        ) from None
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in "uifb":
        raise InputError(f"{file} has a Segmentation that is no image of labels; restore it.")
    labels = labels.astype(np.int64)
    categories = dict(enumerate(classes.tolist(), start=1))
    found = np.unique(labels[_labelled(labels)])
    unknown = [k for k in found.tolist() if not 1 <= categories.get(k, 0) <= len(CLASSES)]
    if unknown:
        raise InputError(
            f"{file} has pixels of object {unknown[0]}, to which its Categories give no class from "
            f"1 to {len(CLASSES)}; restore it."
        )
    return _instances(labels, categories), (labels.shape[1], labels.shape[0])


def _labelled(labels: np.ndarray) -> np.ndarray:
    return (labels != 0) & (labels != VOID)


def _instances(labels: np.ndarray, categories: dict[int, int]) -> list[Instance]:
    values = np.unique(labels[_labelled(labels)])
    masks = np.asfortranarray(labels[:, :, None] == values, dtype=np.uint8)
    instances = []
    for value, encoded in zip(values.tolist(), run_length.encode(masks), strict=True):
        instances.append(
            Instance(
                label=value,
                category=categories.get(value),
                segmentation={"size": encoded["size"], "counts": encoded["counts"].decode()},
                area=int(run_length.area(encoded)),
                bounds=run_length.toBbox(encoded).tolist(),
            )
        )
    return instances
