"""A black and white picture for each mask."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from PIL import Image

from boxseg.export.annotated import AnnotatedImage
from boxseg.files import atomic_path


def write_instance_pngs(folder: Path, split: str, image: AnnotatedImage) -> list[Path]:
    """Write `<split>/<image>/<annotation id>.png` of each object with a mask: white inside.

    That of an object without one, which an earlier call may have written, is removed.

    Raises:
        InputError: a file cannot be written.
    """
    place = folder / split / PurePosixPath(image.file_name).with_suffix("")
    written = []
    for one in image.objects:
        target = place / f"{one.id}.png"
        if one.mask is None:
            target.unlink(missing_ok=True)
        else:
            with atomic_path(target) as temporary:
                Image.fromarray(one.dense()).save(temporary, format="PNG")
            written.append(target)
    return written
