"""What is wrong with the images of a split: their names, files and sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from boxseg.data.dataset import Split
from boxseg.data.entries import Category, Defect, ImageEntry
from boxseg.data.image_reader import UnreadableImage
from boxseg.data.split_images import missing_images, upright_size
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


def image_defects(images: Sequence[ImageEntry], split: Split) -> Iterator[Defect]:
    """Files that are missing, unreadable, or of another size than the JSON says."""
    folder = split.images
    if not images:
        return
    try:
        missing = {image.id for image in missing_images(images, folder)}
    except InputError:
        yield Defect(
            "missing image folder",
            f"split {split.name}",
            f"has no readable image folder {folder}",
            "put the split's images there",
        )
        return

    def examined(image: ImageEntry) -> Defect | None:
        path = folder / image.file_name
        if image.id not in missing:
            return _file_defect(image, path)
        return Defect(
            "missing image file",
            f"image {image.id}",
            f"needs {path}, which does not exist",
            "put the file there or remove the image from the JSON",
        )

    with ThreadPoolExecutor(_READERS) as readers:
        yield from filter(None, readers.map(examined, images))


def _file_defect(image: ImageEntry, path: Path) -> Defect | None:
    try:
        width, height = upright_size(path)
    except UnreadableImage as error:
        return Defect(
            "unreadable image",
            f"image {image.id}",
            f"cannot be read from {path} ({error})",
            "restore the file or remove the image from the JSON",
        )
    if (width, height) == (image.width, image.height):
        return None
    return Defect(
        "wrong image size",
        f"image {image.id}",
        f"is {image.width} x {image.height} in the JSON but {width} x {height} in {path}",
        "correct width and height, and check that its boxes belong to this file",
    )
