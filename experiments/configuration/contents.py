"""What the files are that a run is made from, whatever they are called and wherever they lie."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boxseg.data.box_only import sha256_of_file
from boxseg.data.dataset import Dataset
from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.packages import Packages

TRAINED, EVALUATED = "annotations trained on", "annotations evaluated on"
IDS, START, WEIGHTS = "list of image ids", "checkpoint started from", "initial weights"


@dataclass(frozen=True)
class Contents:
    """Digests of a run's files.

    Attributes:
        digests: SHA-256 by what a file is to the run; None where it is not there. Data that are
            generated have none: they follow from the configuration.
    """

    digests: Mapping[str, str | None]

    @property
    def known(self) -> bool:
        """Whether all files are there."""
        return None not in self.digests.values()

    def changed_since(self, recorded: Mapping[str, str | None]) -> list[str]:
        """What is another now than when it was recorded, as far as both are known."""
        return [
            name
            for name in {**recorded, **self.digests}
            if (name in recorded and name in self.digests)
            and None not in (recorded[name], self.digests[name])
            and recorded[name] != self.digests[name]
        ]


def contents_of(
    source: Mapping[str, Any],
    generated_in: str,
    files: Mapping[str, Path | None],
    packages: Packages,
) -> Contents:
    """The digests of annotations, id list, and files of weights.

    Args:
        source: of the dataset, as the configuration has it.
        generated_in: folder of generated data.
        files: that a model starts from, by what they are to it; None for those it does not need.
        packages: that the source may be part of.
    """
    digests: dict[str, str | None] = {}
    if "root" in source and source["root"] != generated_in:
        digests |= _of_data(source, packages)
    digests |= {name: _digest(file) for name, file in files.items() if file is not None}
    return Contents(digests)


def _of_data(source: Mapping[str, Any], packages: Packages) -> dict[str, str | None]:
    digests: dict[str, str | None] = {TRAINED: None, EVALUATED: None}
    place = source["root"]
    try:
        dataset: Dataset = build(source, packages, root=None if place is None else Path(place))
    except InputError:
        return digests
    for role, name in ((TRAINED, dataset.train), (EVALUATED, dataset.evaluate)):
        if name is not None and name in dataset.splits:
            digests[role] = _digest(dataset.splits[name].annotations)
    if dataset.train_ids is not None:
        ids = " ".join(map(str, sorted(dataset.train_ids)))
        digests[IDS] = hashlib.sha256(ids.encode()).hexdigest()
    return digests


def _digest(file: Path) -> str | None:
    try:
        found = file.expanduser().resolve()
        state = found.stat()
        return _digest_of(found, state.st_size, state.st_mtime_ns)
    except (OSError, InputError):
        return None


@functools.lru_cache(maxsize=256)
def _digest_of(file: Path, size: int, changed: int) -> str:
    """Of a file as it was when it changed last: COCO's take seconds."""
    return sha256_of_file(file)
