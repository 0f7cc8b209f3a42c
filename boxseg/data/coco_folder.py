"""Any folder in COCO's layout as a dataset.

```
root/annotations/instances_<split>.json
root/<split>/<file_name of each image>
```
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from boxseg.data.coco_json import ImageEntry
from boxseg.data.dataset import Dataset, Split
from boxseg.errors import InputError

_PREFIX = "instances_"


def coco_folder(
    root: Path | str | None, train: str | None = None, evaluate: str | None = None
) -> Dataset:
    """Find the splits of `root` and choose which of them to train on and to evaluate.

    Args:
        root: the folder; a leading ~ is the home folder.
        train: the split to train on; without it the only one, or the one whose name starts with
            "train".
        evaluate: the split to evaluate; without it the one whose name starts with "val", or the
            training split where there is none.

    Raises:
        InputError: `root` is not given, a folder or every JSON is missing, a named split does not
            exist, or the choice is ambiguous.
    """
    if root is None:
        raise InputError(
            "dataset coco-folder needs its folder; give root=DIR, where DIR holds "
            "annotations/instances_<split>.json and the images in <split>/."
        )
    folder = Path(root).expanduser()
    annotations = folder / "annotations"
    for needed in (folder, annotations):
        if not needed.is_dir():
            raise InputError(
                f"{needed} is not a folder; give root=DIR, where DIR holds "
                "annotations/instances_<split>.json and the images in <split>/."
            )
    splits = {}
    for path in sorted(annotations.glob(f"{_PREFIX}*.json")):
        name = path.stem.removeprefix(_PREFIX)
        splits[name] = Split(name, path, folder / name)
    if not splits:
        raise InputError(
            f"{annotations} holds no instances_<split>.json; put the split's annotations there."
        )
    train = train or _only_split(list(splits), "train", annotations)
    evaluate = evaluate or _default_evaluation(list(splits), train, annotations)
    dataset = Dataset("coco-folder", splits, train, evaluate)
    for key, name in (("train", train), ("evaluate", evaluate)):
        split = dataset.split(name)
        if not split.images.is_dir():
            raise InputError(
                f"{split.annotations} has no image folder {split.images}; put its images there or "
                f"choose another split with dataset.{key}=NAME."
            )
    return dataset


def missing_images(images: Iterable[ImageEntry], folder: Path) -> list[ImageEntry]:
    """Those of `images` without a file in `folder`, in their order.

    The folder is listed once: one `stat` per image takes minutes for COCO on a network disk. Only
    names with a sub-folder are looked up one by one.

    Raises:
        InputError: the folder does not exist or cannot be read.
    """
    try:
        with os.scandir(folder) as listing:
            present = {entry.name for entry in listing}
    except OSError as error:
        raise InputError(
            f"cannot read the image folder {folder}: {error.strerror or error}; "
            "put the split's images there."
        ) from None
    return [
        image
        for image in images
        if image.file_name not in present
        and not ("/" in image.file_name and (folder / image.file_name).is_file())
    ]


def _only_split(names: list[str], key: str, annotations: Path) -> str:
    """The split of `names` that `key` means where nothing names it."""
    if len(names) == 1:
        return names[0]
    candidates = [name for name in names if name.startswith("train")]
    if len(candidates) != 1:
        raise _ambiguous(candidates or names, key, annotations)
    return candidates[0]


def _default_evaluation(names: list[str], train: str, annotations: Path) -> str:
    candidates = [name for name in names if name.startswith("val")]
    if len(candidates) > 1:
        raise _ambiguous(candidates, "evaluate", annotations)
    return candidates[0] if candidates else train


def _ambiguous(names: list[str], key: str, annotations: Path) -> InputError:
    return InputError(
        f"{annotations} holds several splits that dataset.{key} may mean ({', '.join(names)}); "
        f"choose one with dataset.{key}=NAME."
    )
