"""YOLO's segmentation format: a text file for each image, a line for each object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import yaml

from boxseg.export.annotated import AnnotatedImage
from boxseg.export.polygons import joined, outlines
from boxseg.files import write_text_atomically


def write_yolo_image(folder: Path, split: str, image: AnnotatedImage) -> Path:
    """Write `labels/<split>/<image>.txt`: class and outline, in shares of the image's sides.

    An object without a mask has no line, since a file holds either boxes or outlines; an image
    without any has an empty file, as YOLO has it for backgrounds. Parts of an object are joined by
    bridges without width, and holes are filled: the format has one outline for each object.

    Raises:
        InputError: the file cannot be written.
    """
    lines = []
    for one in image.objects:
        parts = [] if one.mask is None else outlines(one.dense())
        if parts:
            shares = joined(parts) / (image.width, image.height)
            numbers = " ".join(f"{value:.6g}" for value in shares.clip(0, 1).ravel())
            lines.append(f"{one.category} {numbers}\n")
    target = folder / "labels" / split / PurePosixPath(image.file_name).with_suffix(".txt")
    write_text_atomically(target, "".join(lines))
    return target


def write_yolo_index(folder: Path, categories: Sequence[str], images: Mapping[str, Path]) -> Path:
    """Write `data.yaml`: the names of the classes, and where each split's images are.

    YOLO looks for labels where a path says `labels` instead of `images`, so the images have to be
    put, or linked, below `images/<split>` of this folder.

    Args:
        folder: that holds `labels/`.
        categories: names, in the order of their numbers.
        images: of each split, told in a comment.

    Raises:
        InputError: the file cannot be written.
    """
    content = {
        "path": ".",
        **{split: f"images/{split}" for split in images},
        "names": dict(enumerate(categories)),
    }
    told = "".join(
        f"# images/{split} has to be a copy of, or a link to, the folder {place.name}\n"
        for split, place in images.items()
    )
    target = folder / "data.yaml"
    write_text_atomically(
        target, told + yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    )
    return target
