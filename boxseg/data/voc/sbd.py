"""Finding SBD, the Semantic Boundaries Dataset, which labels more of VOC's images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boxseg.data.voc.devkit import read_image_set
from boxseg.errors import InputError


@dataclass(frozen=True)
class Sbd:
    """SBD's dataset folder: `inst/*.mat`, `img/*.jpg`, and its own `train.txt` and `val.txt`."""

    folder: Path

    def names(self) -> set[str]:
        """Images of its train and val sets, as far as they are there.

        Raises:
            InputError: neither is there, or one cannot be read.
        """
        sets = [self.folder / name for name in ("train.txt", "val.txt")]
        there = [file for file in sets if file.is_file()]
        if not there:
            raise InputError(f"{self.folder} has neither train.txt nor val.txt; restore them.")
        return {name for file in there for name in read_image_set(file)}

    def instances(self, name: str) -> Path:
        """The .mat of an image."""
        return self.folder / "inst" / f"{name}.mat"

    def image(self, name: str) -> Path:
        """SBD's copy of a VOC image."""
        return self.folder / "img" / f"{name}.jpg"


def find_sbd(root: Path) -> Sbd | None:
    """SBD at `root` or up to three folders below it, wherever a folder `inst` is; None if nowhere.

    Raises:
        InputError: there are several.
    """
    found = sorted(
        folder.parent
        for depth in range(4)
        for folder in root.glob("*/" * depth + "inst")
        if folder.is_dir()
    )
    if len(found) > 1:
        raise InputError(
            f"{root} holds several folders of SBD ({', '.join(map(str, found))}); leave one."
        )
    return Sbd(found[0]) if found else None
