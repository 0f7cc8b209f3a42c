"""The pictures of a source folder: finding the one that an annotation means, and its size."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from boxseg.data.foreign.documents import UnusableFile
from boxseg.data.image_files import IMAGE_SUFFIXES
from boxseg.data.image_reader import readable_picture
from boxseg.data.split_images import upright_size

_LABEL_IMAGES = ("SegmentationClass", "SegmentationObject")


@dataclass(frozen=True)
class Measured:
    """Size of a picture, in pixels.

    Attributes:
        width, height: of the upright picture.
        orientation: EXIF's, 1 to 8; how the stored pixels are turned to be upright.
    """

    width: int
    height: int
    orientation: int

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as a person sees the picture."""
        return self.width, self.height

    @property
    def stored(self) -> tuple[int, int]:
        """Width and height of the pixels in the file."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


class SourceFolder:
    """The files of a folder and of those below it, hidden ones left out.

    Args:
        root: the folder; links to folders are followed, each folder once.

    Attributes:
        files: all of them, sorted by their paths.
        pictures: those that are pictures by their suffix, in upper or lower case, and no label
            images in VOC's folders of such.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = sorted(_walk(root), key=lambda file: file.relative_to(root).as_posix())
        self.pictures = [
            file
            for file in self.files
            if file.suffix.lower() in IMAGE_SUFFIXES and file.parent.name not in _LABEL_IMAGES
        ]
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        for file in self.pictures:
            self._by_name.setdefault(letters(file.name), []).append(file)
            self._by_stem.setdefault(letters(file.stem), []).append(file)
        self._measured: dict[Path, Measured] = {}

    def with_suffix(self, *suffixes: str) -> list[Path]:
        """The files that end in one of `suffixes`, in upper or lower case."""
        return [file for file in self.files if file.suffix.lower() in suffixes]

    def picture(self, name: str, near: Path) -> Path:
        """The picture that an annotation file calls `name`.

        It is looked for beside that file, then from the source folder on, then by its name alone
        anywhere in the source: of several the one whose folders agree best with `name`, then the
        one nearest to the annotation. Backslashes are slashes, and letters are the same whether
        composed or not, in upper or lower case; the suffix may be missing or another picture's.

        Args:
            name: a file name or path, possibly of another machine.
            near: folder of the annotation file.

        Raises:
            UnusableFile: there is none, or several that fit alike.
        """
        parts = path_parts(name)
        if not parts:
            raise UnusableFile("names no picture")
        relative = name.replace("\\", "/").lstrip("/")
        for folder in (near, self.root):
            exact = Path(os.path.normpath(folder / relative))
            if exact.suffix.lower() in IMAGE_SUFFIXES and _is_file(exact):
                return exact
        last = letters(parts[-1])
        found = self._by_name.get(last) or self._by_stem.get(last, [])
        if not found and Path(last).suffix in IMAGE_SUFFIXES:
            found = self._by_stem.get(Path(last).stem, [])
        if not found:
            raise UnusableFile(f"is of the picture {name}, which is not there")
        ranks = {file: (_agreement(file, parts), _nearness(file, near)) for file in found}
        best = max(ranks.values())
        fitting = [file for file, rank in ranks.items() if rank == best]
        if len(fitting) > 1:
            raise UnusableFile(f"is of the picture {name}, of which there are {len(fitting)}")
        return fitting[0]

    def measure(self, file: Path) -> Measured:
        """The size of a picture, read once.

        Raises:
            UnreadableImage: the file is not a whole image.
        """
        if file not in self._measured:
            width, height = upright_size(file)[:2]
            self._measured[file] = Measured(width, height, _orientation(file))
        return self._measured[file]


def letters(name: str) -> str:
    """A name as it is compared: composed, in lower case."""
    return unicodedata.normalize("NFC", name).casefold()


def path_parts(name: str) -> list[str]:
    """The folders and the name of a path that may be of another machine."""
    parts = name.strip().replace("\\", "/").split("/")
    return [part for part in parts if part not in ("", ".", "..") and not part.endswith(":")]


def _walk(root: Path) -> Iterator[Path]:
    seen = set()
    for place, below, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not _is_hidden(name))
        for name in names:
            if not _is_hidden(name) and _is_file(Path(place, name)):
                yield Path(place, name)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _agreement(file: Path, parts: list[str]) -> int:
    """How many folders, from the last on, a file has in common with a path."""
    common = 0
    for have, wanted in zip(reversed(file.parts[:-1]), reversed(parts[:-1]), strict=False):
        if letters(have) != letters(wanted):
            break
        common += 1
    return common


def _nearness(file: Path, folder: Path) -> int:
    """How many folders, from the first on, a file has in common with `folder`."""
    return len(Path(os.path.commonpath([file, folder])).parts)


def _orientation(file: Path) -> int:
    with readable_picture(file) as picture:
        try:
            found = Image.Image.getexif(picture).get(ExifTags.Base.Orientation, 1)
        except Exception:  # noqa: BLE001 - damaged EXIF data raise anything
            return 1
    return found if found in range(2, 9) else 1
