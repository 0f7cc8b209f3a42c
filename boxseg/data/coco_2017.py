"""COCO 2017 as downloaded: train2017, val2017 and the test-dev part of test2017.

```
root/annotations/{instances_train2017,instances_val2017,image_info_test-dev2017}.json
root/{train2017,val2017,test2017}/
```
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from boxseg.data.box_only import box_only_path, write_box_only
from boxseg.data.coco_folder import data_folder, folder_splits
from boxseg.data.coco_json import read_coco_json
from boxseg.data.dataset import Dataset, Split
from boxseg.data.entries import CocoJson, ImageEntry
from boxseg.data.id_list import read_id_list
from boxseg.data.preparation import Preparation, Published
from boxseg.data.split_images import missing_images
from boxseg.errors import InputError

SITE = "https://cocodataset.org/#download"
TRAIN, VAL, TEST_DEV = "train2017", "val2017", "test-dev"
_HOLDS = "annotations/ and train2017/, val2017/ or test2017/"


@dataclass(frozen=True)
class _Download:
    published: Published
    annotations: str
    images: str
    archives: str


_DOWNLOADS = (
    _Download(
        Published(TRAIN, "COCO 2017", 118_287, 860_001),
        "instances_train2017.json",
        "train2017",
        "train2017.zip and annotations_trainval2017.zip",
    ),
    _Download(
        Published(VAL, "COCO 2017", 5_000, 36_781),
        "instances_val2017.json",
        "val2017",
        "val2017.zip and annotations_trainval2017.zip",
    ),
    _Download(
        Published(TEST_DEV, "COCO 2017", 20_288, None),
        "image_info_test-dev2017.json",
        "test2017",
        "test2017.zip and image_info_test2017.zip",
    ),
)


def coco_2017(
    root: Path | str | None,
    train: str = TRAIN,
    evaluate: str = VAL,
    prepared: Path | str | None = None,
    ids: Path | str | None = None,
) -> Dataset:
    """The splits of a download, or of a part of one.

    Args:
        root: the folder; a leading ~ is the home folder.
        train, evaluate: names of splits; only the one that is used need be there.
        prepared: folder of the box-only JSON that `prepare_coco` wrote; default root/annotations.
        ids: file of the ids of the images to train on; without it all of the split's.

    Raises:
        InputError: `root` is not given or holds no split, or the id list is bad.
    """
    folder = data_folder("coco", root, _HOLDS)
    splits = {}
    test_dev = _split(_DOWNLOADS[2], folder)
    if not test_dev.annotations.is_file() or any((folder / "annotations").glob("instances_*.json")):
        splits = folder_splits(folder)
    if test_dev.annotations.is_file():
        splits[TEST_DEV] = test_dev
    built = _built_folder(folder, prepared)
    for name, split in splits.items():
        boxes = box_only_path(name, built)
        if boxes.is_file():
            splits[name] = replace(split, boxes=boxes)
    return Dataset("coco", splits, train, evaluate, None if ids is None else read_id_list(ids))


def prepare_coco(
    root: Path | str | None, prepared: Path | None = None, ids: Path | None = None
) -> Preparation:
    """Verify a download and build the box-only JSON of what is trained on.

    Args:
        root: the download's folder.
        prepared: folder to write to; by default root/annotations.
        ids: file of ids of train2017; with it no other images of that split need be there.

    Raises:
        InputError: nothing is there, a split is there in part (annotations without images, images
            missing), its JSON is broken, or the id list does not fit it.
    """
    folder = data_folder("coco", root, _HOLDS)
    only = None if ids is None else read_id_list(ids)
    lines: list[str] = []
    shortfalls: list[str] = []
    for download in _DOWNLOADS:
        split, published = _split(download, folder), download.published
        get = f"get {download.archives} from COCO's site, {SITE}"
        if not split.annotations.is_file():
            if published.split != TEST_DEV and split.images.is_dir():
                raise InputError(f"{split.images} is there without {split.annotations}; {get}.")
            shortfalls.append(f"{published.split} is not there; to use it, {get}.")
            continue
        if published.split == TRAIN:
            boxes = box_only_path(TRAIN, _built_folder(folder, prepared))
            content = write_box_only(split.annotations, boxes)
            needed = _listed(content, only, split)
        else:
            content = read_coco_json(split.annotations, split.annotated)
            needed = list(content.images.values())
        _require_files(needed, split, get)
        counts = len(content.images), len(content.annotations)
        line = f"{published.split}: images {counts[0]}, annotations {counts[1]}"
        if published.split == TRAIN:
            line += f"; boxes without masks in {boxes}"
            if only is not None:
                line += f"; {len(only)} images listed in {ids}, all there"
        lines.append(line + ".")
        difference = published.difference(*counts)
        if difference is not None:
            shortfalls.append(difference)
    if not lines:
        raise InputError(
            f"{folder} holds no COCO 2017 ({_HOLDS}); get it from COCO's site, {SITE}, and unpack "
            "it there."
        )
    return Preparation(tuple(lines), tuple(shortfalls))


def _split(download: _Download, folder: Path) -> Split:
    return Split(
        download.published.split,
        folder / "annotations" / download.annotations,
        folder / download.images,
        annotated=download.published.split != TEST_DEV,
    )


def _built_folder(folder: Path, prepared: Path | str | None) -> Path:
    return folder / "annotations" if prepared is None else Path(prepared).expanduser()


def _listed(content: CocoJson, only: frozenset[int] | None, split: Split) -> list[ImageEntry]:
    if only is None:
        return list(content.images.values())
    unknown = sorted(only - content.images.keys())
    if unknown:
        raise InputError(
            f"image {unknown[0]} of the id list is not in {split.annotations}; remove it from the "
            "list."
        )
    return [content.images[image_id] for image_id in sorted(only)]


def _require_files(images: list[ImageEntry], split: Split, get: str) -> None:
    if not split.images.is_dir():
        raise InputError(f"{split.annotations} is there without its images {split.images}; {get}.")
    missing = missing_images(images, split.images)
    if missing:
        raise InputError(
            f"{split.images} lacks {len(missing)} of {len(images)} images, {missing[0].file_name} "
            f"first; {get}."
        )
