"""Scenes: generated images of overlapping shapes with exact masks, the suite's default data.

The same seed gives the same bytes on any machine: pixels and annotations come from whole-number
arithmetic and from random words whose sequence numpy guarantees.
"""

from __future__ import annotations

from pathlib import Path

from boxseg.data.dataset import Dataset
from boxseg.data.scenes.splits import ensure_split
from boxseg.data.scenes.style import FAMILIES, GENERATOR_VERSION, SITUATIONS
from boxseg.errors import InputError

__all__ = ["GENERATOR_VERSION", "MAX_IMAGE_SIZE", "MIN_IMAGE_SIZE", "scenes_dataset"]

MIN_IMAGE_SIZE = 48
MAX_IMAGE_SIZE = 512


def scenes_dataset(
    root: Path,
    family: str,
    image_size: int,
    train_images: int,
    val_images: int,
    situation_images: int,
    seed: int,
) -> Dataset:
    """Give a family of scenes, generating under `root` whatever is not there yet.

    Scene n of a split depends on the family, the seed, the split, n and the image size only, so
    that a longer split begins with the shorter one. Besides `train` and `val` there are `tune`
    (as long as `val`, for choosing hyper-parameters; no table reports it) and the three situations
    `similar-background`, `overlap-inter-class` and `overlap-intra-class`.

    Args:
        root: folder that the family's own folder is made in.
        family: `scenes` (8 classes) or `scenes-b` (6 others).
        image_size: width and height in pixels, 48 to 512.
        train_images: images in `train`.
        val_images: images in `val` and in `tune`.
        situation_images: images in each of the three situations.
        seed: any integer.

    Returns:
        A dataset that trains on `train` and is measured on `val`.

    Raises:
        InputError: there is no such family, a number is out of range, or `root` is not writable.
    """
    if family not in FAMILIES:
        raise InputError(
            f"there is no family of scenes named {family!r}; choose one of {', '.join(FAMILIES)}."
        )
    if not MIN_IMAGE_SIZE <= image_size <= MAX_IMAGE_SIZE:
        raise InputError(
            f"{family} cannot be drawn {image_size} pixels wide; "
            f"choose an image size from {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE}."
        )
    counts = {"train": train_images, "val": val_images, "tune": val_images}
    counts |= dict.fromkeys(SITUATIONS, situation_images)
    for split, count in counts.items():
        if count < 1:
            raise InputError(f"{family} split {split} has {count} images; ask for one at least.")
    folder = root / (
        f"{family}-v{GENERATOR_VERSION}-{image_size}px"
        f"-{train_images}x{val_images}x{situation_images}-seed{seed}"
    )
    splits = {
        split: ensure_split(folder, family, split, count, image_size, seed)
        for split, count in counts.items()
    }
    return Dataset(name=family, splits=splits, train="train", evaluate="val")
