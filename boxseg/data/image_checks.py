"""What is wrong with the images of a split: their names, files and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    files: dict[str, int] = {}
    for image in images:
        first = files.setdefault(image.file_name, image.id)
        if first != image.id:
            yield Defect(
                "duplicate file name",
                f"image {image.id}",
                f"has the file {image.file_name} of image {first}",
                "merge the two images or correct the name",
            )
    names: dict[str, int] = {}
    for category in categories:
        first = names.setdefault(category.name, category.id)
        if first != category.id:
            yield Defect(
                "duplicate category name",
                f"category {category.id}",
                f"has the name {category.name!r} of category {first}",
                "merge the two categories or rename one",
            )


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
