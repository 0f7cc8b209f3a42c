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
        boxes: the JSON built from `annotations` without masks, where there is one; see
            `boxseg.data.box_only`.
        annotated: False for a split whose annotations are kept secret, such as COCO's test-dev: its
            JSON lists images and categories only.
    """

    name: str
    annotations: Path
    images: Path
    boxes: Path | None = None
    annotated: bool = True


@dataclass(frozen=True)
class Dataset:
    """The splits of a dataset and which of them a run uses by default.

    Attributes:
        name: as on the command line (`scenes`, `coco-folder`, ...).
        splits: those on disk, by name.
        train: the split trained on; None where several might be meant. It need not be on disk,
            which evaluation does without.
        evaluate: the split that a run's result is measured on; likewise.
        train_ids: ids of the images of `train` to train on; None for all of them.
    """

    name: str
    splits: Mapping[str, Split]
    train: str | None
    evaluate: str | None
    train_ids: frozenset[int] | None = None

    def split(self, name: str | None) -> Split:
        """Look a split up.

        Raises:
            InputError: there is no such split, or none is named; the message lists those there are.
        """
        there = ", ".join(self.splits)
        if name is None:
            raise InputError(
                f"dataset {self.name} has several splits that may be meant ({there}); choose with "
                "dataset.train=NAME and dataset.evaluate=NAME, or with --split NAME."
            )
        if name not in self.splits:
            raise InputError(f"dataset {self.name} has no split {name!r}; choose one of {there}.")
        return self.splits[name]
