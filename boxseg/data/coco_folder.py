"""Any folder in COCO's layout as a dataset.

```
root/annotations/instances_<split>.json
root/<split>/<file_name of each image>
```
"""

from __future__ import annotations

from pathlib import Path

from boxseg.data.dataset import Dataset, Split
from boxseg.data.id_list import read_id_list
from boxseg.errors import InputError

_PREFIX = "instances_"


def coco_folder(
    root: Path | str | None,
    train: str | None = None,
    evaluate: str | None = None,
    ids: Path | str | None = None,
) -> Dataset:
    """Find the splits of `root` and choose which of them to train on and to evaluate.

    Args:
        root: the folder; a leading ~ is the home folder.
        train: the split to train on; without it the only one, or the one whose name starts with
            "train".
        evaluate: the split to evaluate; without it the one whose name starts with "val", or the
            training split where there is none.
        ids: file of the ids of the images to train on; without it all of the split's.

    Raises:
        InputError: `root` is not given, a folder or every JSON is missing, or the id list is bad.
    """
    splits = folder_splits(data_folder("coco-folder", root))
    names = list(splits)
    train = train or _only([name for name in names if name.startswith("train")] or names)
    validation = [name for name in names if name.startswith("val")]
    return Dataset(
        name="coco-folder",
        splits=splits,
        train=train,
        evaluate=evaluate or (_only(validation) if validation else train),
        train_ids=None if ids is None else read_id_list(ids),
    )


def data_folder(
    name: str,
    root: Path | str | None,
    holds: str = "annotations/instances_<split>.json and the images in <split>/",
) -> Path:
    """The folder of a dataset.

    Args:
        name: of the dataset.
        root: as the user gave it.
        holds: what has to be in it, for the message.

    Raises:
        InputError: it is not given or is no folder.
    """
    if root is None:
        raise InputError(
            f"dataset {name} needs its folder; give root=DIR, where DIR holds {holds}."
        )
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give root=DIR, where DIR holds {holds}.")
    return folder


def folder_splits(folder: Path) -> dict[str, Split]:
    """The splits of a folder in COCO's layout, by name.

    Raises:
        InputError: there is none.
    """
    annotations = folder / "annotations"
    if not annotations.is_dir():
        raise InputError(
            f"{annotations} is not a folder; give root=DIR, where DIR holds "
            "annotations/instances_<split>.json and the images in <split>/ (`boxseg data import` "
            "makes such a folder of other tools' annotations)."
        )
    splits = {}
    for path in sorted(annotations.glob(f"{_PREFIX}*.json")):
        name = path.stem.removeprefix(_PREFIX)
        splits[name] = Split(name, path, folder / name)
    if not splits:
        raise InputError(
            f"{annotations} holds no instances_<split>.json; put the split's annotations there."
        )
    return splits


def _only(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None
