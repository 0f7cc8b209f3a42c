"""What is wrong with the images of a split: their names, files and sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from boxseg.data.dataset import Split
from boxseg.data.entries import Category, Defect, ImageEntry
from boxseg.data.image_reader import UnreadableImage
from boxseg.data.split_images import on_disk, upright_size
from boxseg.errors import InputError

_READERS = 8  # files read at once: a network disk answers slowly, but many at a time


def repeated_names(
    images: Sequence[ImageEntry], categories: Sequence[Category]
) -> Iterator[Defect]:
    """Images of the same file and categories of the same name."""
    files = ((image.id, image.file_name) for image in images)
    for image, name, first in _repeated(files):
        yield Defect(
            "duplicate file name",
            f"image {image}",
            f"has the file {name} of image {first}",
            "merge the two images or correct the name",
        )
    for category, name, first in _repeated((one.id, one.name) for one in categories):
        yield Defect(
            "duplicate category name",
            f"category {category}",
            f"has the name {name!r} of category {first}",
            "merge the two categories or rename one",
        )


def _repeated(named: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, int]]:
    """Of ids and names: each that has an earlier one's name, the name, and that one's id."""
    seen: dict[str, int] = {}
    for identity, name in named:
        first = seen.setdefault(name, identity)
        if first != identity:
            yield identity, name, first


@dataclass(frozen=True)
class ImageFindings:
    """What is found on the image files of a split.

    Attributes:
        defects: files that are missing, unreadable, or of another size than the JSON says.
        turned: images that their EXIF data turn or mirror, and how (EXIF's orientation, 2 to 8).
    """

    defects: tuple[Defect, ...] = ()
    turned: tuple[tuple[ImageEntry, int], ...] = ()

    def notes(self, images: int) -> Iterator[str]:
        """What no file alone can tell to be wrong."""
        if self.turned:
            first, orientation = self.turned[0]
            yield (
                f"photographs that their EXIF data turn: {len(self.turned)} of {images} (first: "
                f"{first.file_name}, orientation {orientation}); training sees them upright, so "
                "their boxes have to be those of the upright picture, not of the stored pixels."
            )


def image_findings(images: Sequence[ImageEntry], split: Split) -> ImageFindings:
    """Look at the file of every image."""
    folder = split.images
    if not images:
        return ImageFindings()
    try:
        found = on_disk(images, folder)
    except InputError:
        return ImageFindings(
            (
                Defect(
                    "missing image folder",
                    f"split {split.name}",
                    f"has no readable image folder {folder}",
                    "put the split's images there",
                ),
            )
        )

    def examined(image: ImageEntry) -> tuple[Defect | None, int]:
        if image.id in found:
            return _examined_file(image, folder / found[image.id].file_name)
        defect = Defect(
            "missing image file",
            f"image {image.id}",
            f"needs {folder / image.file_name}, which does not exist",
            "put the file there or remove the image from the JSON",
        )
        return defect, 1

    with ThreadPoolExecutor(_READERS) as readers:
        results = list(readers.map(examined, images))
    return ImageFindings(
        tuple(defect for defect, _ in results if defect is not None),
        tuple((one, turn) for one, (_, turn) in zip(images, results, strict=True) if turn > 1),
    )


def _examined_file(image: ImageEntry, path: Path) -> tuple[Defect | None, int]:
    """What is wrong with a file, if anything, and its orientation."""
    try:
        size = upright_size(path)
    except UnreadableImage as error:
        defect = Defect(
            "unreadable image",
            f"image {image.id}",
            f"cannot be read from {path} ({error})",
            "restore the file or remove the image from the JSON",
        )
        return defect, 1
    if (size.width, size.height) == (image.width, image.height):
        return None, size.orientation
    shown = f"is {image.width} x {image.height} in the JSON but {size.width} x {size.height}"
    if size.is_turned_by_a_quarter and (size.height, size.width) == (image.width, image.height):
        defect = Defect(
            "photograph turned by EXIF",
            f"image {image.id}",
            f"{shown} when {path} is turned upright as its EXIF orientation {size.orientation} "
            "says: the JSON has the stored pixels",
            "export boxes and size of the upright picture, or remove the orientation from the file",
        )
    else:
        defect = Defect(
            "wrong image size",
            f"image {image.id}",
            f"{shown} in {path}",
            "correct width and height, and check that its boxes belong to this file",
        )
    return defect, size.orientation
