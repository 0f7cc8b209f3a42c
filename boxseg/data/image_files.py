"""Which image files the words of a command line mean: files, folders, patterns."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from boxseg.errors import InputError

IMAGE_SUFFIXES = frozenset(
    (
        *(".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg"),
        *(".jpg", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff"),
        *(".webp",),
    )
)
"""Suffixes, in lower case, of the files that are taken from a folder."""


@dataclass(frozen=True)
class FoundImages:
    """What was found.

    Attributes:
        files: each once, in the order they were named; those of a folder sorted by path.
        left_out: how many files of the folders were not taken, per reason.
    """

    files: tuple[Path, ...]
    left_out: Counter[str]


def find_images(words: Sequence[str], outside: Path) -> FoundImages:
    """Files, folders (with the folders below them) and glob patterns as image files.

    A file that is named is taken whatever its suffix is. One of a folder is taken if its suffix is
    in `IMAGE_SUFFIXES`, in upper or lower case, and it is not hidden (see `is_hidden`). A word that
    names an existing file or folder is never taken for a pattern; `**` in a pattern stands for
    folders at any depth.

    Args:
        words: files, folders and patterns.
        outside: a folder that results are written to; files directly in it are no images to be
            taken, or results would be predicted on, or overwrite images.

    Raises:
        InputError: a word means no image, or one in `outside`.
    """
    files: dict[str, Path] = {}
    left_out: Counter[str] = Counter()
    for word in words:
        taken = 0
        for path in _paths(word):
            folder = path if path.is_dir() else path.parent
            if _same(folder, outside):
                raise InputError(
                    f"{path} is in the folder of the results, {outside}; choose another --out."
                )
            for file in _of_folder(path) if path.is_dir() else (path,):
                reason = _left_out(file, path, outside) if path.is_dir() else None
                if reason is not None:
                    left_out[reason] += 1
                    continue
                files.setdefault(os.path.abspath(file), file)  # noqa: PTH100 - links stay apart
                taken += 1
        if not taken:
            raise InputError(
                f"{word} holds no image, that is, no file whose suffix is one of "
                f"{', '.join(sorted(IMAGE_SUFFIXES))}; name another folder, or the files."
            )
    return FoundImages(tuple(files.values()), left_out)


def _paths(word: str) -> list[Path]:
    if os.path.lexists(word):
        return [Path(word)]
    found = [Path(path) for path in sorted(glob.glob(word, recursive=True))]  # noqa: PTH207 - the user's pattern
    if not found and glob.has_magic(word):
        raise InputError(f"nothing matches the pattern {word}; check it.")
    if not found:
        raise InputError(f"there is no file or folder {word}; check the path.")
    return found


def _of_folder(folder: Path) -> Iterator[Path]:
    for place, below, names in os.walk(folder, onerror=_unreadable):
        below.sort()
        for name in sorted(names):
            yield Path(place, name)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name was not put there by hand.

    Such are the second halves that macOS writes beside files (`._1.png`) or collects in the
    archives it makes (`__MACOSX`), thumbnails, and copies that notebooks keep
    (`.ipynb_checkpoints`).
    """
    return name.startswith(".") or name == "__MACOSX"


def _unreadable(error: OSError) -> None:
    raise InputError(
        f"cannot read the folder {error.filename}: {error.strerror}; images may lie in it."
    )


def _left_out(file: Path, folder: Path, outside: Path) -> str | None:
    """Why a file in `folder`, or below it, is not taken."""
    if any(map(is_hidden, file.relative_to(folder).parts)):
        return "hidden"
    if _same(file.parent, outside):
        return f"in the folder of the results, {outside}"
    if file.suffix.lower() not in IMAGE_SUFFIXES:
        return f"no image by the suffix {file.suffix}" if file.suffix else "without suffix"
    return None


def _same(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)
