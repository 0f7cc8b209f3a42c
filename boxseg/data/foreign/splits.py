"""Which split a picture belongs to: as the source says, else drawn by a seed."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from boxseg.data.foreign.annotated import AnnotatedPicture
from boxseg.data.foreign.report import ImportReport
from boxseg.errors import InputError

TRAIN, VAL, TEST = "train", "val", "test"
_NAMES = {
    "training": TRAIN,
    "obj_train_data": TRAIN,
    "valid": VAL,
    "validation": VAL,
    "obj_valid_data": VAL,
    "testing": TEST,
    "obj_test_data": TEST,
}
_OF_A_YEAR = re.compile(r"(train|val|test)(20\d\d)?")


def known_split(name: str) -> str | None:
    """The split that a folder of that name holds, as tools name them; None for any other name."""
    lower = name.casefold()
    found = _OF_A_YEAR.fullmatch(lower)
    return found[1] if found else _NAMES.get(lower)


def split_name(name: str) -> str | None:
    """The split that a source calls `name`; None for "default", the one of data without splits."""
    if name.casefold() in ("", "default"):
        return None
    return known_split(name) or re.sub(r"[^\w.-]+", "_", name).lstrip(".") or None


def split_of_files(root: Path, *files: Path) -> str | None:
    """The split that the folders below `root` tell: of the first file that they tell one of."""
    for file in files:
        if file.is_relative_to(root):
            for folder in reversed(file.relative_to(root).parts[:-1]):
                split = known_split(folder)
                if split is not None:
                    return split
    return None


def divide(
    pictures: Sequence[AnnotatedPicture],
    names: Sequence[str],
    val_share: float,
    seed: int,
    report: ImportReport,
) -> list[str | None]:
    """The split of each picture; None for one that is left out.

    Where the source has no splits, or none to validate on, `val_share` of the pictures to train on
    are drawn for "val". A picture's draw follows from `seed` and its name alone, so pictures that
    come later move few others. Where it has splits, a picture in none is left out and counted.

    Args:
        pictures: each once.
        names: what each is called, unique.
        val_share: within [0, 1).
        seed: of the draw.
        report: what is left out is counted there.

    Raises:
        InputError: `val_share` is out of its range.
    """
    if not 0 <= val_share < 1:
        raise InputError(
            f"--val-share {val_share:g} is no share of the pictures; give one from 0 up to but "
            "without 1."
        )
    splits = [picture.split for picture in pictures]
    if any(splits):
        for picture in pictures:
            if picture.split is None:
                report.leave_out("pictures in none of the splits", report.where(picture.file))
        free = [index for index, split in enumerate(splits) if split == TRAIN]
    else:
        splits = [TRAIN] * len(pictures)
        free = list(range(len(pictures)))
    if not any(split is not None and split.startswith(VAL) for split in splits):
        number = round(len(free) * val_share)
        if val_share > 0 and len(free) > 1:
            number = min(max(number, 1), len(free) - 1)
        for index in sorted(free, key=lambda index: _draw(names[index], seed))[:number]:
            splits[index] = VAL
    return splits


def _draw(name: str, seed: int) -> str:
    text = f"{seed}/{unicodedata.normalize('NFC', name)}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
