"""A dataset by name, as the configuration of a scale describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from boxseg.data.dataset import Dataset
from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.compose import compose


def dataset_on_disk(
    name: str,
    root: Path | None,
    scale: str,
    ids: Path | None = None,
    prepared: Path | None = None,
) -> Dataset:
    """Find or generate a dataset.

    Args:
        name: as in `dataset=NAME`.
        root: the data's folder, or for generated data where to keep them; None for the default.
        scale: generated images have its size.
        ids: file of the ids of the images to train on.
        prepared: folder of the JSON files that `boxseg data prepare` wrote; None for the default.

    Raises:
        InputError: the data are missing or cannot be generated, or are of a kind that has no id
            list or nothing prepared.
    """
    config = compose([f"dataset={name}", f"scale={scale}"])
    source = config.dataset.source
    place = root if root is not None else source["root"]
    arguments: dict[str, Any] = {"root": None if place is None else Path(place)}
    for key, option, value in (("ids", "--ids", ids), ("prepared", "--out", prepared)):
        if value is not None:
            if key not in source:
                raise InputError(f"{option} means nothing for dataset {name}; leave it out.")
            arguments[key] = value
    dataset: Dataset = build(source, config.packages, **arguments)
    return dataset
