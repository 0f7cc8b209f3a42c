"""A dataset by name, as the configuration of a scale describes it."""

from __future__ import annotations

from pathlib import Path

from boxseg.data.dataset import Dataset
from experiments.compose import compose


def dataset_on_disk(name: str, root: Path | None, scale: str) -> Dataset:
    """Find or generate a dataset.

    Args:
        name: as in `dataset=NAME`.
        root: the data's folder, or for generated data where to keep them; None for the default.
        scale: generated images have its size.

    Raises:
        InputError: the data are missing or cannot be generated.
    """
    from experiments.components import build

    words = [f"dataset={name}", f"scale={scale}"]
    source = compose(words).dataset.source
    place = root if root is not None else source.root
    dataset: Dataset = build(source, root=None if place is None else Path(place))
    return dataset
