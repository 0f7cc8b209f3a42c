"""What a dataset is to the rest of the suite: named splits, each a COCO JSON and a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from boxseg.errors import InputError


@dataclass(frozen=True)
class Split:
    """One split on disk.

    Attributes:
        name: "train", "val", ...
        annotations: the split's JSON in COCO's instance format.
        images: the folder that the JSON's `file_name`s are relative to.
    """

    name: str
    annotations: Path
    images: Path


@dataclass(frozen=True)
class Dataset:
    """The splits of a dataset and which of them a run uses by default.

    Attributes:
        name: as on the command line (`scenes`, `coco-folder`, ...).
        splits: by name.
        train: the split trained on.
        evaluate: the split that a run's result is measured on.
    """

    name: str
    splits: Mapping[str, Split]
    train: str
    evaluate: str

    def split(self, name: str) -> Split:
        """Look a split up.

        Raises:
            InputError: there is no such split; the message lists those there are.
        """
        if name not in self.splits:
            raise InputError(
                f"dataset {self.name} has no split {name!r}; choose one of "
                f"{', '.join(self.splits)}."
            )
        return self.splits[name]
