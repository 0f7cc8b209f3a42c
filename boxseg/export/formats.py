"""Writing annotated images in the forms of `boxseg.export.FORMATS` that take an image at a time."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from boxseg.export.annotated import AnnotatedImage
from boxseg.export.instance_pngs import write_instance_pngs
from boxseg.export.labelme import write_labelme_image
from boxseg.export.yolo import write_yolo_image


def write_image(
    out: Path, split: str, image: AnnotatedImage, picture: Path, formats: Collection[str]
) -> None:
    """Write an image's objects below `png`, `yolo` and `labelme` of a folder, as far as asked for.

    Args:
        out: the folder.
        split: of the image; "" for one that belongs to none.
        image: with its objects.
        picture: its file.
        formats: of `boxseg.export.FORMATS`; the others are files of a whole split.

    Raises:
        InputError: a file cannot be written.
    """
    if "png" in formats:
        write_instance_pngs(out / "png", split, image)
    if "yolo" in formats:
        write_yolo_image(out / "yolo", split, image)
    if "labelme" in formats:
        write_labelme_image(out / "labelme", split, image, picture)


def folders_of_images(out: Path, split: str, formats: Collection[str]) -> list[Path]:
    """The folders with a split's files, a file or more for each image; YOLO's has an index."""
    return [out / name / split for name in ("png", "labelme") if name in formats]
